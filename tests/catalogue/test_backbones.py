"""The catalogue lists what Keras offers, and says what each network does to its pixels first."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backbones.backbone import Backbone, _scale
from pipeline.catalogue.backbones import (
    CATALOGUE,
    NAMES,
    OWN,
    OWN_ACTIVATIONS,
    Figures,
    activations_of,
    unknown,
)
from pipeline.params import BackboneParams

FAMILIES = {
    "convnext": ("none", "ConvNeXtTiny"),
    "densenet": ("torch", "DenseNet121"),
    "efficientnet": ("none", "EfficientNetB0"),
    "efficientnet_v2": ("none", "EfficientNetV2S"),
    "inception_resnet_v2": ("tf", "InceptionResNetV2"),
    "inception_v3": ("tf", "InceptionV3"),
    "mobilenet": ("tf", "MobileNet"),
    "mobilenet_v2": ("tf", "MobileNetV2"),
    "mobilenet_v3": ("none", "MobileNetV3Small"),
    "nasnet": ("tf", "NASNetMobile"),
    "resnet": ("caffe", "ResNet50"),
    "resnet_v2": ("tf", "ResNet50V2"),
    "vgg16": ("caffe", "VGG16"),
    "vgg19": ("caffe", "VGG19"),
    "xception": ("tf", "Xception"),
}  # module of keras.applications to our scaling and one network of it


def _applications() -> Any:
    return importlib.import_module("keras").applications


def _pixels() -> Any:
    return np.random.default_rng(7).integers(0, 256, (3, 16, 16, 3), np.uint8)


def test_it_holds_all_of_keras_applications_and_the_lites() -> None:
    keras = {name for name in dir(_applications()) if name[0].isupper()}
    assert {info.builder for info in CATALOGUE.values()} == keras | {"lite0", "lite1", "lite2"}


def test_every_module_of_keras_applications_is_checked_below() -> None:
    applications = _applications()
    modules = {
        name
        for name in dir(applications)
        if hasattr(getattr(applications, name), "preprocess_input")
    }
    assert modules - {"resnet50", "imagenet_utils"} == set(FAMILIES)


@pytest.mark.parametrize("module", FAMILIES)
def test_scaling_equals_keras_preprocess_input(module: str) -> None:
    scaling, builder = FAMILIES[module]
    family = getattr(_applications(), module)
    pixels = _pixels()
    expected = family.preprocess_input(
        pixels.astype(np.float32).copy(), data_format="channels_last"
    )
    np.testing.assert_allclose(
        np.asarray(_scale(pixels, scaling)), np.asarray(expected), rtol=0, atol=1e-4
    )
    assert CATALOGUE[builder.lower()].scaling == scaling


def test_all_networks_of_a_module_of_keras_have_its_scaling() -> None:
    applications = _applications()
    for module, (scaling, _) in FAMILIES.items():
        builders = {
            name
            for name in dir(getattr(applications, module))
            if name in dir(applications) and name[0].isupper()
        }
        assert {CATALOGUE[name.lower()].scaling for name in builders} <= {scaling}


def test_the_scaling_of_the_lites_is_that_of_its_authors() -> None:
    pixels = _pixels()
    expected = (pixels.astype(np.float64) - 127) / 128
    np.testing.assert_allclose(np.asarray(_scale(pixels, "lite")), expected, rtol=0, atol=1e-6)
    for number in range(3):
        assert CATALOGUE[f"efficientnet_lite{number}"].scaling == "lite"


def test_scaling_leaves_the_pixels_as_they_were() -> None:
    pixels = _pixels()
    for scaling in ("lite", "tf", "torch", "caffe", "none"):
        before = pixels.copy()
        _scale(pixels, scaling)
        np.testing.assert_array_equal(pixels, before)


def test_each_name_is_its_builders_in_lower_case_and_has_one_line() -> None:
    assert len(NAMES) == len(set(NAMES)) == len(CATALOGUE)
    for name, info in CATALOGUE.items():
        assert name == info.name
        assert name == info.builder.lower() or name == f"efficientnet_{info.builder}"
        assert "arXiv:" in info.title
        assert "\n" not in info.title


def test_the_figures_are_possible() -> None:
    for name in CATALOGUE:
        parameters, input_size, width, top1, activations = _figures(name)
        assert 0.5 < parameters < 400, name
        assert 224 <= input_size <= 600, name
        assert 512 <= width <= 4032, name
        assert 65 < top1 < 90, name
        assert 4 * 3 < activations == activations_of(name) < OWN_ACTIVATIONS, name
    assert activations_of(OWN) == OWN_ACTIVATIONS


def _figures(name: str) -> Figures:
    figures = CATALOGUE[name].figures
    assert figures is not None, name
    return figures


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["efficientnet_lite2", "mobilenetv2", "mobilenetv3small", "densenet121", "vgg16"]
)
def test_parameters_and_width_are_those_of_the_network(name: str) -> None:
    figures = _figures(name)
    settings = BackboneParams(input_size=figures.input_size, weights="random")
    backbone = Backbone(name, settings)
    assert round(backbone._network.count_params() / 1e6, 1) == figures.parameters
    assert backbone.widths == (figures.width,)


def test_an_unknown_name_lists_the_known_ones_and_guesses() -> None:
    message = unknown("vgg-16")
    assert message.startswith("no backbone is called 'vgg-16'. Known: convnextbase, ")
    assert message.endswith("Did you mean 'vgg16'?")


def test_listing_names_loads_no_keras() -> None:
    code = "import sys, pipeline.catalogue.backbones; sys.exit('keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
