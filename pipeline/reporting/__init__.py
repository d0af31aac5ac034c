"""What the report says: results, charts and galleries as plain values, a part a dataset and a head."""
