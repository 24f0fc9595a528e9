"""What is too large for one machine, on whatever runner of Apache Beam there is: merging a fleet's counts, and scoring.

Each does what the plain path does, by the same functions, and comes to the same counts.
"""
