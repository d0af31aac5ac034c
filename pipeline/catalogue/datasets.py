"""The catalogue of known datasets: what they hold, how they are labelled, their licence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """An archive that anyone can download, and exactly which one.

    Attributes:
        url: Where it is.
        bytes: Its size.
        sha256: Of its bytes, hexadecimal; no other file passes.
        known_unreadable: Members that hold no image, though they lie in a class folder.
    """

    url: str
    bytes: int
    sha256: str
    known_unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kaggle:
    """A place at Kaggle.

    Attributes:
        handle: A competition's name, or `<owner>/<name>/versions/<number>` of a public data set.
        file: The competition's file that holds the images; None for a data set.
        bytes: Rough size of the download, for judging disk space.
    """

    handle: str
    bytes: int
    file: str | None = None

    @property
    def is_competition(self) -> bool:
        """Whether rules must be accepted before it can be downloaded."""
        return "/" not in self.handle

    @property
    def page(self) -> str:
        """The page for people."""
        return f"https://www.kaggle.com/{'c' if self.is_competition else 'datasets'}/{self.handle}"

    @property
    def origin(self) -> str:
        """The handle, with the file where there is one."""
        return f"{self.handle}/{self.file}" if self.file else self.handle

    @property
    def file_name(self) -> str:
        """What to call the download."""
        return self.file or f"{self.handle.split('/')[1]}.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What is known of a dataset before any of it is on disk.

    Attributes:
        name: Key in params.yaml.
        title: One line for people.
        classes: Class names in alphabetical order.
        licence: Under what terms the real images may be used.
        aliases: Other spellings of a class that archives use, lower case, to the class.
        mirror: Where its real images can be had without an account.
        kaggle: Where Kaggle has them.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    licence: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    mirror: Mirror | None = None
    kaggle: Kaggle | None = None


CATALOGUE: Mapping[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            Dataset(
                name="cats_vs_dogs",
                title="Cats and dogs, as in Kaggle's Dogs vs. Cats",
                classes=("cat", "dog"),
                licence="Kaggle competition rules: research use; the drawn images: Apache-2.0",
                aliases={"cats": "cat", "dogs": "dog"},
                mirror=Mirror(
                    url="https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
                    "kagglecatsanddogs_5340.zip",
                    # huggingface/datasets, datasets/cats_vs_dogs/dataset_infos.json (download_checksums);
                    # the same sha256 in gomlx/gomlx, examples/dogsvscats/dogsvscats.go
                    bytes=824_887_076,
                    sha256="b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
                    known_unreadable=frozenset(
                        {
                            "PetImages/Cat/666.jpg",
                            "PetImages/Dog/11702.jpg",
                        }
                    ),
                ),
                kaggle=Kaggle(
                    handle="dogs-vs-cats-redux-kernels-edition", file="train.zip", bytes=570_000_000
                ),
            ),
            Dataset(
                name="flowers",
                title="Five kinds of flowers, as in TensorFlow's flower_photos",
                classes=("daisy", "dandelion", "rose", "sunflower", "tulip"),
                licence="Creative Commons Attribution, each photo its author's; the drawn images: Apache-2.0",
                aliases={
                    "roses": "rose",
                    "sunflowers": "sunflower",
                    "tulips": "tulip",
                    "daisies": "daisy",
                    "dandelions": "dandelion",
                },
                mirror=Mirror(
                    url="https://storage.googleapis.com/download.tensorflow.org/example_images/"
                    "flower_photos.tgz",
                    # tensorflow/datasets, tensorflow_datasets/datasets/tf_flowers/checksums.tsv
                    bytes=228_813_984,
                    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
                ),
                kaggle=Kaggle(handle="alxmamaev/flowers-recognition/versions/2", bytes=236_000_000),
            ),
        )
    }
)
