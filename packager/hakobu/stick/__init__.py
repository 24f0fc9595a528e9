"""Sticks as the builder sees them: updates go out on them, parcels come home, receipts go back."""
