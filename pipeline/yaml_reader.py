"""YAML, read as DVC reads it, by the same parser: version 1.2, so `010` is ten and `1:30` is text."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node


class NotYaml(ValueError):
    """A text is not YAML; the message says in one line why, and in which line of the text."""


def read_yaml(text: str) -> Any:
    """Return the plain values that a text holds.

    Raises:
        NotYaml: It is not YAML, has a key twice, or is nested too deep.
    """
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except YAMLError as error:
        raise NotYaml(_explain(error)) from None
    except RecursionError:
        raise NotYaml("it is nested too deep") from None


class _Constructor(SafeConstructor):
    """Where Python refuses a value, the error says in which line, as all others do."""

    def construct_object(self, node: Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, ArithmeticError, TypeError, AttributeError) as error:
            reason = f"a value cannot be read: {error}"
            raise ConstructorError(problem=reason, problem_mark=node.start_mark) from error


def _explain(error: YAMLError) -> str:
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    context = error.context and error.context_mark
    since = f", {error.context} from line {error.context_mark.line + 1} on" if context else ""
    return f"line {error.problem_mark.line + 1}{since}: {error.problem}"
