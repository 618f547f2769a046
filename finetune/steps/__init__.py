"""The trainings that a recipe is chained of, a file each: continued pretraining, supervised, preferences."""
