"""What every command line of hakobu shares."""
