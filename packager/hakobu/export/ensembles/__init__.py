"""Trees in the form that a device loads and runs fastest: half of the time of a row, a third of the bytes.

What onnxruntime does with them (1.31, tree_ensemble_common.h): it keeps the no of each question next to it in memory,
so a question that is mostly answered with no is guessed right by the processor; and it asks for a missing number at
each question unless no question sends one the way of yes. So the questions that do are turned round, to one about the
negated number, whose answer for a missing number is no. Without gaps in training, scikit-learn sends a missing number
to where most rows went.
"""
