"""Study `finetune`: the last blocks of the backbone learn with the head: how much, and how far back."""

from collections.abc import Iterator

from pipeline.heads.training import Recipe, fit_head
from pipeline.studies.results import Result
from pipeline.studies.task import Task
from pipeline.studies.tuning import Tuner, can_learn


def run(task: Task) -> Iterator[Result]:
    """Begin with the head that the pipeline fits, and let more and more blocks learn with it.

    Raises:
        StudyError: The backbone has fewer blocks, or its features are of other images.
        PipelineError: The features, the backbone or the images are not as they should be.
    """
    if not can_learn(task):
        return
    tuner = Tuner(task)
    head = fit_head(tuner.rows["train"], Recipe.of(task.params.head)).head
    depths = (0, *task.settings.finetune.blocks)
    for depth in task.progress(iter(depths), len(depths)):
        found = tuner.examples(depth)
        seed = task.settings.finetune.seed
        yield tuner.measure(depth, head, found["train"], found["val"], seed)
