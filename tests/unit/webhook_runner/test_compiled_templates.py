"""What the fork server keeps of templates is their code alone: values, errors and other texts are as without it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conventions.project import ROOT

# In a process of its own: keeping changes Ansible in the process it is done in.
_EVALUATE = """
import json, sys
from pathlib import Path
from ansible._internal._templating import _jinja_bits
from ansible._internal._templating._engine import TemplateEngine
from ansible.errors import AnsibleError
from ansible.template import trust_as_template
from webhook_runner import compiled_templates

compiled = []
plain = _jinja_bits.AnsibleEnvironment._compile
_jinja_bits.AnsibleEnvironment._compile = lambda *given: compiled.append(1) or plain(*given)
project, text, values = json.loads(sys.argv[1])
if project:
    compiled_templates.keep(Path(project))
compiled.clear()
found = []
for value in values:
    try:
        found.append(TemplateEngine(variables={"value": value}).template(trust_as_template(text)))
    except AnsibleError as error:
        found.append(f"error: {error.message}")
print(json.dumps([found, len(compiled)]))
"""


def evaluate(text: str, values: list[Any], *, kept: bool) -> tuple[list[Any], int]:
    """Return what the template gives for each ``value``, and how often something was compiled for it."""
    given = json.dumps([str(ROOT) if kept else "", text, values])
    done = subprocess.run([sys.executable, "-c", _EVALUATE, given], capture_output=True, text=True, check=True, cwd=ROOT)
    found, times = json.loads(done.stdout)
    return found, times


@pytest.mark.parametrize(
    "text",
    [
        "{{ value + 1 }}",
        "{{ value }} and \\n {{ 'a\\\\d' }}",
        "{{ [value, value] }}",
        "{{ nothing }}",
        "{% if value %}yes{% endif %}",
        "{{ value | hash('nothing') }}",
    ],
)
def test_values_and_errors_are_as_without(text: str) -> None:
    values = [1, 2, True]
    (found, times), (expected, times_without) = evaluate(text, values, kept=True), evaluate(text, values, kept=False)
    assert found == expected
    assert (times, times_without) == (1, len(values))


def test_what_cannot_be_compiled_is_complained_of_each_time() -> None:
    found, _ = evaluate("{{ value + }}", [1, 2], kept=True)
    assert [each.startswith("error: Syntax error in template") for each in found] == [True, True]


def test_the_inventorys_and_roles_templates_are_there_from_the_start() -> None:
    """Two that a provision evaluates most often, as they stand in their files."""
    for name, text in (("odoo_tenant/vars", "{{ _odoo_tenant_found.tenant }}"), ("odoo_tenant/defaults", "{{ saasodoo_home }}")):
        assert text in (ROOT / f"roles/{name}/main.yml").read_text()
        assert evaluate(text, [1], kept=True)[1] == 0
