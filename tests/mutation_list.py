"""What the mutation run changes: constants, code and environment on the way from bytes to features."""

LITE, CAFFE, TORCH, TF = "efficientnet_lite0", "vgg16", "densenet121", "mobilenetv2"

# File, what stands there, what takes its place, the network and the engine that show it.
CODE = [
    (file, old, new, network, engine)
    for engine, network, file, changes in [
        ("tensorflow", LITE, "images.py", [
            ("CROP = 7 / 8", "CROP = 1 / 2"),
            ("AREA_FACTOR = 3", "AREA_FACTOR = 1"),
            ("else cv2.INTER_LINEAR", "else cv2.INTER_NEAREST"),
            ("min_factor=2", "min_factor=1"),
            ("(height - side) // 2, (width - side) // 2", "0, 0"),
            ("(size, size), interpolation=method", "(size, size), interpolation=cv2.INTER_CUBIC"),
            ("6: lambda x: x.swapaxes(0, 1)[:, ::-1]", "6: lambda x: x.swapaxes(0, 1)"),
            (">> 8", ">> 7"),
            ("\"white\")", "\"black\")"),
            ("image.convert(\"RGB\")", "image.convert(\"HSV\")"),
            ("def _middle(pixels: Pixels) -> Pixels:", "def _middle(pixels):\n    pixels = pixels[::-1]"),
        ]),
        ("tensorflow", LITE, "backbones/backbone.py", [
            ("Rescaling(1 / 128", "Rescaling(1 / 127"),
            ("-127 / 128", "-1.0"),
            ("ops.cast(pixels, \"float32\")", "ops.cast(pixels, \"float16\")"),
            ("\"avg\": layers.GlobalAveragePooling2D", "\"avg\": layers.GlobalMaxPooling2D"),
            ("        return network.output", "        return network.layers[-3].output"),
            ("if scaling == \"lite\"", "if scaling == \"tf\""),
        ]),
        ("tensorflow", TF, "backbones/backbone.py", [
            ("Rescaling(1 / 127.5, -1.0)", "Rescaling(1 / 255, 0.0)"),
            ("SEED = 0", "SEED = 1"),
        ]),
        ("tensorflow", TORCH, "backbones/backbone.py", [
            ("(0.229, 0.224, 0.225)", "(0.225, 0.224, 0.229)"),
            ("TORCH_MEAN, TORCH_DEVIATION = (0.485", "TORCH_MEAN, TORCH_DEVIATION = (0.5"),
            ("x / 255.0", "x / 256.0"),
            ("d * d for d", "d for d"),
        ]),
        ("tensorflow", CAFFE, "backbones/backbone.py", [
            ("(123.68,", "(103.939,"),
            ("ops.flip(", "(lambda x, axis: x)("),
        ]),
        ("tensorflow", LITE, "backbones/efficientnet_lite.py", [
            ("BN_EPSILON = 1e-3", "BN_EPSILON = 1e-5"),
            ("layers.ReLU(6.0", "layers.ReLU(5.0"),
            ("layers.Add(", "layers.Average("),
            ("filters, kernel, stride, \"same\"", "filters, kernel, stride, \"valid\""),
            ("(2, 3, 0, 1) if ours", "(3, 2, 0, 1) if ours"),
            ("\"running_mean\", \"running_var\"", "\"running_var\", \"running_mean\""),
            ("(\"depthwise\", 1)", "(\"depthwise\", 0)"),
        ]),
        ("tensorflow", LITE, "backbones/torch_file.py", [
            ("\"<f4\"", "\">f4\""),
            ("values[tensor.offset :]", "values[0:]"),
            ("(s * values.itemsize for s in tensor.stride)", "(4 for s in tensor.stride)"),
        ]),
        ("tensorflow", LITE, "backbones/keras_settings.py", [
            ("= \"float32\", 1e-7", "= \"float16\", 1e-7"),
            ("\"float32\", 1e-7", "\"float32\", 0.1"),
            ("\"channels_last\"", "\"channels_first\""),
            ("policy = FLOATX", "policy = \"mixed_bfloat16\""),
        ]),
        ("tensorflow", LITE, "engines/tensorflow.py", [
            ("tf.cast(model(pixels, training=False), tf.float32)",
             "tf.cast(tf.cast(model(pixels, training=False), tf.bfloat16), tf.float32)"),
            ("training=False", "training=True"),
            ("= features.numpy()", "= features.numpy()[..., ::-1]"),
        ]),
        ("openvino", LITE, "engines/openvino.py", [
            ("{\"float32\": \"f32\"", "{\"float32\": \"bf16\""),
            ("get_output_tensor().data.copy()", "get_output_tensor().data.round(3)"),
            ("infer([pixels]", "infer([255 - pixels]"),
        ]),
        ("tensorflow", LITE, "engines/__init__.py", [
            ("if config.engine == \"openvino\":", "if config.engine != \"openvino\":"),
        ]),
        ("tensorflow", LITE, "extraction/extractor.py", [
            (".astype(dtype)", ".astype(\"float16\").astype(dtype)"),
        ]),
        ("tensorflow", LITE, "extraction/decoding.py", [
            ("keys[place], pixels[place] = load(image, input_size)",
             "keys[place], pixels[place] = load(image, input_size)[0], load(image, input_size)[1][::-1]"),
            ("decode_square(data, input_size)", "255 - decode_square(data, input_size)"),
            ("import decode_square", "import decode_grey as decode_square"),
        ]),
        ("tensorflow", LITE, "catalogue/backbones.py", [
            ("scaling=\"lite\"", "scaling=\"tf\""),
        ]),
        ("tensorflow", TF, "catalogue/backbones.py", [
            ("builder=builder,", "builder=builder.replace(\"V2\", \"\"),"),
        ]),
        ("tensorflow", LITE, "params.py", [
            ("= \"avg\"", "= \"max\""),
        ]),
        ("tensorflow", LITE, "pinned_environment.py", [
            ("\"TF_ENABLE_ONEDNN_OPTS\": \"1\"", "\"TF_ENABLE_ONEDNN_OPTS\": \"0\""),
            ("\"ONEDNN_DEFAULT_FPMATH_MODE\": None", "\"ONEDNN_DEFAULT_FPMATH_MODE\": \"BF16\""),
        ]),
    ]
    for old, new in changes
]  # fmt: skip

KERAS_FILES = {
    "float16": {"floatx": "float16"},
    "channels_first": {"image_data_format": "channels_first"},
    "epsilon": {"epsilon": 0.1},
}

# Variables, and what a program does before it imports the pipeline.
ENVIRONMENT: list[tuple[dict[str, str], str]] = [
    *(({"KERAS_HOME": folder}, "") for folder in KERAS_FILES),
    ({"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}, ""),
    ({"DNNL_DEFAULT_FPMATH_MODE": "BF16"}, ""),
    ({"TF_SET_ONEDNN_FPMATH_MODE": "BF16"}, ""),
    ({"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"}, ""),
    ({"TF_ENABLE_ONEDNN_OPTS": "0"}, ""),
    ({"KERAS_BACKEND": "numpy"}, ""),
    ({"NVIDIA_TF32_OVERRIDE": "1"}, ""),
    ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, ""),
    ({"TF_DETERMINISTIC_OPS": "1"}, ""),
    ({"OMP_NUM_THREADS": "1"}, ""),
    ({"OV_INFERENCE_PRECISION_HINT": "bf16"}, ""),
    ({"OPENCV_CPU_DISABLE": "AVX2,AVX512_SKX"}, ""),
    ({"JSIMD_FORCENONE": "1"}, ""),
    ({"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}, "import tensorflow"),
    ({}, "import pipeline, os; os.environ['ONEDNN_DEFAULT_FPMATH_MODE'] = 'BF16'"),
    ({}, "import pipeline, keras; keras.config.set_dtype_policy('mixed_bfloat16')"),
    ({}, "import pipeline, keras; keras.config.set_image_data_format('channels_first')"),
]

# Changes that decide nothing: name, and what is replaced where.
SILENT: list[tuple[str, list[tuple[str, str, str]]]] = [
    ("a comment", [("images.py", "CROP = 7 / 8", "CROP = 7 / 8  # of the shorter side")]),
    ("a docstring", [("images.py", "the only decoder", "our decoder")]),
    ("the message of an error", [("backbones/backbone.py", "cannot build", "failed to build")]),
    ("a type", [("images.py", "def _middle(pixels: Pixels) -> Pixels:", "def _middle(pixels):")]),
    (
        "how a line is broken",
        [("images.py", "cv2.setNumThreads(1)", "cv2.setNumThreads(\n    1\n)")],
    ),
    ("a title of the catalogue", [("catalogue/backbones.py", "weights from pip", "small")]),
    ("how far the pool works ahead", [("parallel.py", ">= ahead", ">= ahead + 1")]),
    ("another engine", [("engines/openvino.py", '"f32"', '"bf16"')]),
]
