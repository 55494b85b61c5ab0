"""Many calls as one job."""
