"""The fleet: what all devices counted, put together from parcels that came late, twice, in any order, or never."""
