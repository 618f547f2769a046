"""The Hub's read API: its forms, its clients, its upstream."""
