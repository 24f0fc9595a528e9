"""Reading rows from files and from memory as blocks, and writing the rows that scoring makes of them."""
