"""Many calls as one job: checked, asked as fast as the limits allow, and kept in a journal."""
