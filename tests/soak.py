"""Does the pipeline end with a clean run's results whatever befell it? Random steps, one after the other.

    python -m tests.soak --steps 200 --seed 7 --minutes 60

A step changes a small project (images come, go and change class, labels are corrected) or harms it: runs
are killed, stopped, doubled, or find no room on the disk, and files are damaged. Then the stages run to
their end, by themselves or by DVC, and what they made is compared, byte for byte, with what they make of
the same archive and corrections in a folder where nothing was before. The first difference ends it.

The seed decides the steps, and what each asks for; which instruction a signal meets depends on the machine.
On a small disk of its own the disk is really filled, as after `mount -t tmpfs -o size=200m none DISK` with
`--folder DISK`; elsewhere only the size of files is limited.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from pipeline import cli, paths
from pipeline.errors import PipelineError
from pipeline.files import sha256_of
from pipeline.manifest import USED, read_manifest
from pipeline.params import load_params
from pipeline.tools.doctor import LIST_STAGES, check_dvc_files
from tests.dag import light_stages, stage_calls
from tests.damages import KINDS, damage
from tests.dvc_project import ROOT, Project
from tests.project import BACKBONE, draw_image

DATASET, CLASSES = "pets", ("cat", "dog")
FEATURES = paths.features_file(DATASET, BACKBONE)
CORRECTIONS = paths.corrections_file(DATASET)
BOTH = f"{DATASET} {BACKBONE}"
EXTRACT, TRAIN = f"extract {BOTH}", f"train {BOTH}"
STAGES = (
    f"fetch {DATASET}", f"split {DATASET}", f"augment {DATASET}", f"weights {BACKBONE}", EXTRACT, TRAIN,
    f"evaluate {BOTH}",
)  # fmt: skip
REPRO = ("dvc", "repro", f"evaluate@{DATASET}-{BACKBONE}")
RESULTS = ("data", "features", "models", "metrics", "plots")
BY_DVC = 0.2  # of the steps end with `dvc repro` in the place of the stages
IMAGES = (16, 28)  # of a class, at least and at most
PAUSE = 0.02  # seconds an image, where a run is to be met in the middle
PATIENCE = 900  # seconds for a command to end
SMALL_DISK = 1 << 30
LAST_FEATURE = 12  # bytes at the end of a shard: three numbers in float32
INPUTS = (DATASET, str(CORRECTIONS.parent))
# In the place of `python -m pipeline`, so that DVC, too, runs what `Run` runs.
PROGRAM = f"""import os, sys
if __name__ == "__main__":
    sys.path.append({str(ROOT)!r})
    from tests.paused import main
    main(os.devnull, "{PAUSE}", "0", "0", " ".join(sys.argv[1:]))
"""


class Different(Exception):
    """The results are not those of a clean run, or a command ended as it must not."""


class Run:
    """Commands of ours, one after the other, in a process of their own in a project's folder.

    Args:
        folder: The project's.
        commands: As `split pets`; none after one that fails.
        pause: Seconds that each image takes longer.
        largest: Bytes that no file may exceed; 0: any.
        light: In threads what stages do in processes, which take their time to start.
    """

    def __init__(
        self, folder: Path, *commands: str, pause: float = 0, largest: int = 0, light: bool = False
    ) -> None:
        self._log = Path(tempfile.mkstemp()[1])
        program = (sys.executable, "-m", "tests.paused")
        self.process = subprocess.Popen(
            [*program, str(self._log), str(pause), str(largest), str(int(light)), *commands],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said, self._commands = "", ", ".join(commands)

    def await_images(self, count: int) -> None:
        """Wait until so many images were computed, or the process has ended."""
        while self.process.poll() is None and self._log.stat().st_size < count:
            time.sleep(0.002)

    def end(self, *allowed: int) -> None:
        """Wait for the end, and demand one of these exit statuses, and no traceback but after a kill."""
        try:
            self.said = "".join(self.process.communicate(timeout=PATIENCE))
        finally:
            self._log.unlink()
        status = self.process.returncode
        if status not in allowed or ("Traceback" in self.said and status != -signal.SIGKILL):
            raise Different(f"{self._commands}: exit status {status}\n{self.said}")

    @property
    def last_line(self) -> str:
        """What the process said last."""
        return (self.said.splitlines() or [""])[-1]


class Soak:
    """A project, and what can be done to it.

    Args:
        folder: Where the project comes to lie, empty.
        scratch: For clean runs and clones.
        seed: Of all that is drawn.
    """

    def __init__(self, folder: Path, scratch: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.scratch = scratch
        self.drawn = 0
        self.folder = folder / "project"
        self.project = Project(self.folder)
        (self.folder / "pipeline" / "__main__.py").write_text(PROGRAM)
        shutil.rmtree(self.folder / DATASET)
        for label in CLASSES:
            for _ in range(20):
                self._draw(label)
        self._write_corrections("image,label")
        self.project.run("dvc", "remote", "add", "--default", "team", str(scratch / "remote"))
        self.project.run(*REPRO)
        self.project.commit()
        self.expected: dict[str, dict[str, str]] = {}  # by the state of archive and corrections
        self.kinds: dict[str, Callable[[], str]] = {
            "add": self.add, "remove": self.remove, "relabel": self.relabel, "correct": self.correct,
            "kill": self.kill, "kill dvc": self.kill_dvc, "stop": self.stop, "stop dvc": self.stop_dvc,
            "damage shard": self.damage_shard, "damage features": self.damage_features,
            "limit files": self.limit_files, "gc": self.gc, "pull": self.pull, "two": self.two,
        }  # fmt: skip
        if shutil.disk_usage(folder).total < SMALL_DISK:
            self.kinds["fill disk"] = self.fill_disk

    def step(self, kind: str) -> str:
        """Do one thing, run to the end, and compare; return what was done, in words.

        Raises:
            Different: The results are not those of a clean run.
        """
        self._keep_inputs()
        done = self.kinds[kind]()
        try:
            expected = self.clean_run()
        except (
            PipelineError
        ) as error:  # as where a correction names an image that is no longer there
            (run := Run(self.folder, *STAGES)).end(1)
            if str(error) not in run.said:
                raise Different(f"a clean run says {error}, this one {run.said}") from None
            self._put_back()
            done, expected = f"{done}; taken back: {run.last_line}", self.clean_run()
        done += f"; {self.finish()}"
        compare(expected, digests(self.folder))
        return done

    def finish(self) -> str:
        """Run all stages to the end; return by what."""
        if self.rng.random() < BY_DVC:
            self.project.run(*REPRO)
            return "by DVC"
        Run(self.folder, *STAGES, light=True).end(0)
        return "by stages"

    def clean_run(self) -> dict[str, str]:
        """Return the digests of what the stages make of these inputs where nothing was before.

        Raises:
            PipelineError: A stage refuses them.
        """
        state = repr(digests(self.folder, INPUTS))
        if state not in self.expected:
            with tempfile.TemporaryDirectory(dir=self.scratch) as name:
                for part in (*INPUTS, "weights"):
                    shutil.copytree(self.folder / part, Path(name, part))
                shutil.copyfile(self.folder / paths.PARAMS, Path(name, paths.PARAMS))
                with contextlib.chdir(name), light_stages():
                    params = load_params()
                    calls = dict(stage_calls(params, params))
                    for stage in STAGES:
                        calls[_dvc_name(stage)]()
                self.expected[state] = digests(Path(name))
        return self.expected[state]

    # What changes the inputs.

    def add(self) -> str:
        """Add images, among them now and then one that is there already, or a damaged one."""
        count = self.rng.randint(1, 4)
        for _ in range(count):
            label = self.rng.choice(CLASSES)
            if len(self._images(label)) < IMAGES[1]:
                path = self._draw(label)
                if self.rng.random() < 0.2:
                    path.write_bytes(self.rng.choice(self._images()).read_bytes())
                elif self.rng.random() < 0.2:
                    self._damage(path)
        return f"up to {count}"

    def remove(self) -> str:
        """Remove images."""
        count = self.rng.randint(1, 4)
        for _ in range(count):
            label = self.rng.choice(CLASSES)
            if len(images := self._images(label)) > IMAGES[0]:
                self.rng.choice(images).unlink()
        return f"up to {count}"

    def relabel(self) -> str:
        """Move an image to another class of the archive."""
        label, other = self.rng.sample(CLASSES, 2)
        image = self.rng.choice(self._images(label))
        image.rename(self.folder / DATASET / other / image.name)
        return f"{image.name} to {other}"

    def correct(self) -> str:
        """Correct a label or set an image aside, by its path or its sha256; or take a line back."""
        header, *lines = (self.folder / CORRECTIONS).read_text().splitlines()
        if lines and self.rng.random() < 0.4:
            what = "no longer " + lines.pop(self.rng.randrange(len(lines)))
        else:
            manifest = read_manifest(self.folder / paths.manifest_file(DATASET))
            row = self.rng.choice([row for row in manifest if row.status == USED])
            label = self.rng.choice([*CLASSES, "quarantine"])
            lines.append(what := f"{self.rng.choice([row.sha256, row.path])},{label}")
        self._write_corrections(header, *lines)
        return what

    # What befalls a run.

    def kill(self) -> str:
        """Kill an extraction at an image, or all stages at any moment."""
        return self._end_early(signal.SIGKILL, -signal.SIGKILL)

    def stop(self) -> str:
        """Stop an extraction, as Ctrl-C and a cluster do."""
        number = self.rng.choice([signal.SIGINT, signal.SIGTERM])
        return self._end_early(number, cli.INTERRUPTED)

    def kill_dvc(self) -> str:
        """Kill `dvc repro` with all that it started."""
        return self._end_dvc_early(signal.SIGKILL)

    def stop_dvc(self) -> str:
        """Stop `dvc repro` by Ctrl-C."""
        return self._end_dvc_early(signal.SIGINT)

    def limit_files(self) -> str:
        """Run some stages with no room for large files."""
        self._forget()
        self._change()
        largest = int(10 ** self.rng.uniform(2.5, 5))
        (run := Run(self.folder, *self._some_stages(), largest=largest)).end(0, 1)
        return f"{largest} bytes: {run.last_line}"

    def fill_disk(self) -> str:
        """Run some stages on a disk that is nearly full."""
        self._forget()
        self._change()
        room = int(10 ** self.rng.uniform(2.5, 6))
        ballast = self.folder.parent / "ballast"
        with ballast.open("wb") as stream:
            os.posix_fallocate(
                stream.fileno(), 0, max(1, shutil.disk_usage(self.folder).free - room)
            )
        try:
            (run := Run(self.folder, *self._some_stages())).end(0, 1)
        finally:
            ballast.unlink()
        return f"{room} bytes left: {run.last_line}"

    def two(self) -> str:
        """Let two runs do the same at once; one of them may be killed."""
        if self.rng.random() < 0.3:
            self._change()
            runs = [Run(self.folder, *STAGES[1:3]) for _ in range(2)]
            for run in runs:
                run.end(0, 1)  # one waits for nobody, and says so
            return f"split and augment: {', '.join(run.last_line for run in runs)}"
        self._forget()
        runs = [Run(self.folder, EXTRACT, pause=PAUSE) for _ in range(2)]
        if is_killed := self.rng.random() < 0.4:
            runs[0].await_images(self.rng.randint(1, 20))
            runs[0].process.kill()
        runs[0].end(0, -signal.SIGKILL)
        runs[1].end(0)
        return f"extract{', one killed' * is_killed}: {runs[1].last_line}"

    # What befalls files.

    def damage_shard(self) -> str:
        """Damage a file of the store, as often as not a feature in it."""
        shards = [path for path in self._shards() if path.stat().st_size > LAST_FEATURE]
        if not shards:
            return "none there"
        path = self.rng.choice(shards)
        if self.rng.random() < 0.5:
            kind, data = "a bit of a feature", bytearray(path.read_bytes())
            data[-self.rng.randint(1, LAST_FEATURE)] ^= 1 << self.rng.randrange(8)
            path.write_bytes(data)
        else:
            kind = self._damage(path)
        if is_gone := self.rng.random() < 0.5:
            (self.folder / FEATURES).unlink()
        return kind + ", no features file" * is_gone

    def damage_features(self) -> str:
        """Damage the features file, where the store lacks some of it; no head may be fitted to damage."""
        kind = self._damage(self.folder / FEATURES)
        self._forget_shards()
        before = digests(self.folder, ("models",))
        (run := Run(self.folder, TRAIN)).end(0, 1)
        compare(before, digests(self.folder, ("models",)))
        return f"{kind}: {run.last_line}"

    # What people do.

    def gc(self) -> str:
        """Make room in the store, at times beside a run that fills it."""
        self._commit()
        self._change()
        if is_beside := self.rng.random() < 0.5:
            Run(self.folder, *STAGES[:3]).end(0, 1)  # corrections may no longer fit
            self._forget()
            other = Run(self.folder, EXTRACT, pause=PAUSE)
            other.await_images(self.rng.randint(1, 20))
        (run := Run(self.folder, "store gc --experiments 0")).end(0)
        if is_beside:
            other.end(0)
        return f"{'beside a run, ' * is_beside}{run.last_line}"

    def pull(self) -> str:
        """Push, and pull in a clone: it has the results, and computes no feature."""
        self.project.run(*REPRO)
        self._commit()
        self.project.run("dvc", "push")
        clone = self.project.clone(self.scratch / "clone")
        try:
            clone.run("dvc", "pull", "--with-deps", REPRO[-1])
            compare(self.clean_run(), digests(clone.folder))
            (run := Run(clone.folder, EXTRACT)).end(0)
            if " 0 computed" not in run.said:
                raise Different(f"in a clone: {run.said}")
            compare(self.clean_run(), digests(clone.folder))
        finally:
            shutil.rmtree(clone.folder)
        return run.last_line

    def _end_early(self, number: signal.Signals, status: int) -> str:
        self._forget()
        if number == signal.SIGKILL and self.rng.random() < 0.4:
            self._change()
            run, moment = Run(self.folder, *STAGES, pause=PAUSE), f"{self.rng.uniform(0, 8):.1f} s"
            time.sleep(float(moment.split()[0]))
        else:
            run, moment = Run(self.folder, EXTRACT, pause=PAUSE), f"image {self.rng.randint(1, 40)}"
            run.await_images(int(moment.split()[1]))
        run.process.send_signal(number)
        run.end(0, status)
        return f"{number.name} at {moment}: {run.last_line}"

    def _end_dvc_early(self, number: signal.Signals) -> str:
        self._forget()
        self._change()
        seconds = self.rng.uniform(0, 10)
        with self.project.start(*REPRO) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, number)
            process.communicate(timeout=PATIENCE)
        done = f"{number.name} after {seconds:.1f} s, exit status {process.returncode}"
        return done + self._mend_dvc()

    def _mend_dvc(self) -> str:
        """Do what `bottleneck doctor` says where DVC left half of a file; say what was done."""
        with self.project.start(*LIST_STAGES) as process:
            complaints = process.communicate(timeout=PATIENCE)[1]
        mended = ""
        for check in check_dvc_files(complaints or None, self.folder / paths.DVC_RWLOCK):
            if check.name == "dvc.lock":
                self.project.run("git", "checkout", "dvc.lock")
            else:
                (self.folder / paths.DVC_RWLOCK).unlink()
            mended += f", half of {check.name} mended"
        return mended

    def _some_stages(self) -> tuple[str, ...]:
        """Return those from one of them on."""
        return STAGES[self.rng.randrange(len(STAGES)) :]

    def _change(self) -> None:
        """Change the images, every other time."""
        if self.rng.random() < 0.5:
            self.rng.choice([self.add, self.remove, self.relabel])()

    def _forget(self) -> None:
        """Remove the features file and some of the store, so that there is something to compute."""
        (self.folder / FEATURES).unlink(missing_ok=True)
        self._forget_shards()

    def _forget_shards(self) -> None:
        share = self.rng.choice([0.3, 0.7, 1.0])
        for shard in self._shards():
            if self.rng.random() < share:
                shard.unlink()

    def _shards(self) -> list[Path]:
        return sorted((self.folder / "features" / ".store").glob("*/[!.]*.h5"))

    def _images(self, label: str = "*") -> list[Path]:
        return sorted((self.folder / DATASET).glob(f"{label}/*.jpg"))

    def _draw(self, label: str) -> Path:
        self.drawn += 1
        path = self.folder / DATASET / label / f"{self.drawn}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw_image(self.drawn))
        return path

    def _damage(self, path: Path) -> str:
        kind = self.rng.choice(KINDS)
        rng = np.random.default_rng(self.rng.getrandbits(32))
        path.write_bytes(damage(path.read_bytes(), kind, rng))
        return kind

    def _write_corrections(self, *lines: str) -> None:
        (self.folder / CORRECTIONS).write_text("\n".join(lines) + "\n")

    def _commit(self) -> None:
        self.project.run("git", "add", "--all")
        self.project.run("git", "commit", "--quiet", "--allow-empty", "--message", "results")

    def _keep_inputs(self) -> None:
        for part in INPUTS:
            shutil.rmtree(self.scratch / part, ignore_errors=True)
            shutil.copytree(self.folder / part, self.scratch / part)

    def _put_back(self) -> None:
        for part in INPUTS:
            shutil.rmtree(self.folder / part)
            shutil.copytree(self.scratch / part, self.folder / part)


def _dvc_name(command: str) -> str:
    """Return what DVC calls a stage, given as a command."""
    stage, *names = command.split()
    return f"{stage}@{'-'.join(names)}"


def digests(folder: Path, parts: Iterable[str] = RESULTS) -> dict[str, str]:
    """Return the sha256 of every file, by path; what begins with a dot is no result."""
    found = (path for part in parts for path in sorted((folder / part).rglob("*")))
    names = {str(path.relative_to(folder)): path for path in found if path.is_file()}
    return {name: sha256_of(path) for name, path in names.items() if "/." not in name}


def compare(expected: dict[str, str], found: dict[str, str]) -> None:
    """Demand equal files.

    Raises:
        Different: Names those that are not.
    """
    lines = [f"missing: {name}" for name in sorted(expected.keys() - found.keys())]
    lines += [f"too much: {name}" for name in sorted(found.keys() - expected.keys())]
    both = sorted(expected.keys() & found.keys())
    lines += [f"other bytes: {name}" for name in both if expected[name] != found[name]]
    if lines:
        raise Different("\n".join(lines))


def main() -> None:
    """Print a line a step; end with status 1 at the first difference, and leave the project as it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=60, help="begin no step after these")
    parser.add_argument("--folder", type=Path, help="an empty one, where the project comes to lie")
    parser.add_argument("--only", nargs="+", default=[], help="kinds of steps; default: all")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is started without
    scratch = Path(tempfile.mkdtemp(prefix="soak-"))
    soak = Soak(options.folder.resolve() if options.folder else scratch, scratch, options.seed)
    began = time.monotonic()
    try:
        counts = take_steps(
            soak, options.only or list(soak.kinds), options.steps, 60 * options.minutes
        )
    except Different as fault:
        sys.exit(f"seed {options.seed}, {fault}\nThe project is in {soak.folder}.")
    shutil.rmtree(scratch)
    minutes = (time.monotonic() - began) / 60
    print(
        f"seed {options.seed}: {counts.total()} steps in {minutes:.0f} minutes, each as a clean run"
    )
    print(", ".join(f"{kind} {counts[kind]}" for kind in sorted(counts)))


def take_steps(soak: Soak, kinds: Sequence[str], most: int, seconds: float) -> Counter[str]:
    """Take random steps, and print a line each, until they are enough; count them by kind.

    Raises:
        Different: Names the step too.
    """
    began, counts = time.monotonic(), Counter[str]()
    for number in range(1, most + 1):
        if (since := time.monotonic()) - began > seconds:
            break
        kind = soak.rng.choice(kinds)
        try:
            done = soak.step(kind)
        except (Different, AssertionError, subprocess.TimeoutExpired) as fault:
            raise Different(f"step {number}, {kind}: {fault}") from fault
        counts[kind] += 1
        print(f"{number:4} {time.monotonic() - since:5.1f} s  {kind}: {done}", flush=True)
    return counts


if __name__ == "__main__":
    main()
