"""The operators that a model may use, and the versions of them: what is not listed here never reaches onnxruntime.

Left out on purpose: anything that holds a graph within (If, Loop, Scan, SequenceMap), sequences, maps and optionals
(ZipMap too), random numbers, training, image decoders, and operators of any other domain.
"""

from hakobu_runtime.errors import FormatError

STANDARD_DOMAIN = "ai.onnx"
LEARNED_DOMAIN = "ai.onnx.ml"

OPSETS = {STANDARD_DOMAIN: range(1, 24), LEARNED_DOMAIN: range(1, 6), "com.microsoft": range(1, 2)}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ARITHMETIC = _names("""
    Abs Add And BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Clip CumSum Div Einsum Equal Erf
    Exp Floor Gemm Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log MatMul Max Mean Min Mod Mul Neg Not
    Or Pow Reciprocal Round Sign Sqrt Sub Sum Where Xor
    Acos Acosh Asin Asinh Atan Atanh Cos Cosh Sin Sinh Tan Tanh
    ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare TopK
""")

_MOVING = _names("""
    Compress Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements GatherND NonZero
    OneHot Pad Range Reshape ReverseSequence ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze Tile
    Transpose Trilu Unsqueeze
""")

_NEURAL = _names("""
    AveragePool BatchNormalization Celu Conv ConvInteger ConvTranspose DequantizeLinear Dropout DynamicQuantizeLinear
    Elu GRU Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Hardmax
    InstanceNormalization LRN LSTM LayerNormalization LeakyRelu LogSoftmax LpNormalization LpPool MatMulInteger MaxPool
    MeanVarianceNormalization Mish PRelu QLinearConv QLinearMatMul QuantizeLinear RNN Relu Resize Selu Shrink Sigmoid
    Softmax Softplus Softsign ThresholdedRelu
""")

_TEXT = frozenset({"RegexFullMatch", "StringConcat", "StringNormalizer", "TfIdfVectorizer"})

_LEARNED = _names("""
    ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder LinearClassifier
    LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier
    TreeEnsembleRegressor
""")

OPERATORS = {
    STANDARD_DOMAIN: _ARITHMETIC | _MOVING | _NEURAL | _TEXT,
    LEARNED_DOMAIN: _LEARNED,
    "com.microsoft": frozenset({"Tokenizer"}),
}

_REASONS = {
    "If": "it holds a graph within the graph",
    "Loop": "it can run without end",
    "Scan": "it can run without end",
    "SequenceMap": "it can run without end",
    "ZipMap": "it gives maps instead of numbers; export the model with zipmap=False",
}


def domain_of(name: str) -> str:
    """Return the full name of an operator domain, which may be written as nothing when it is ONNX's own."""
    return name or STANDARD_DOMAIN


def check_opset(domain: str, version: int) -> None:
    """Raise FormatError unless the operators of `domain` are known in `version`."""
    if domain not in OPSETS:
        raise FormatError(
            f"it uses the operator domain {domain!r}, which is not allowed: only {', '.join(OPSETS)} are; "
            "export the model with these alone"
        )
    if version not in OPSETS[domain]:
        known = OPSETS[domain]
        raise FormatError(
            f"it needs opset {version} of {domain}; known are {known[0]} to {known[-1]}: "
            "export the model with one of these"
        )


def check_operator(domain: str, name: str) -> None:
    """Raise FormatError unless the operator `name` of `domain` may run."""
    if domain not in OPERATORS:
        raise FormatError(
            f"operator {name!r} is of the domain {domain!r}, which is not allowed: only {', '.join(OPERATORS)} are"
        )
    if name not in OPERATORS[domain]:
        reason = _REASONS.get(name, "it is not on the list of known and harmless ones")
        raise FormatError(f"operator {name!r} of {domain} is not allowed: {reason}")
