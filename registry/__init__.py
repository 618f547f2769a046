"""Ground floor: records, errors, the lake of datasets, the store of adapters. Imports nothing above."""
