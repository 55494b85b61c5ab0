"""What models take and give: their schemas, and the catalogue of those that are known without asking."""
