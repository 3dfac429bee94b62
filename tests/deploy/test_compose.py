"""What Prometheus and Grafana are told exists: metrics, files, ports, and options of `run`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML, of the extra train, is not installed")

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
DASHBOARD = COMPOSE / "grafana" / "dashboards" / "edge-mtl.json"
TOKEN_FILE = "/run/secrets/web_token"


def read(name: str) -> Any:
    return yaml.safe_load((COMPOSE / name).read_text(encoding="utf-8"))


SERVICES = read("compose.yaml")["services"]
BOARD = json.loads(DASHBOARD.read_text(encoding="utf-8"))
RULES = [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of Prometheus by its place."""
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in BOARD["templating"]["list"]:
        yield variable["name"], variable["query"]["query"]
    for annotation in BOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


def metrics_of(expression: str) -> set[str]:
    """The metrics that a query reads."""
    return set(re.findall(r"\b(?:edge_mtl|process)_\w+", expression))


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """The labels of every metric that a page with a camera and a sink shows, by its name."""
    pytest.importorskip("prometheus_client", reason="the extra web is not installed")
    from prometheus_client.parser import text_string_to_metric_families

    from edge_mtl.runtime.sinks.web.metrics import exposition
    from edge_mtl.runtime.sources.queued import QueueSource
    from edge_mtl.runtime.vitals import Vitals
    from edge_mtl.scene import Scene

    class Written:
        name, written, dropped, failure = "--save o.mp4", 5, 2, None

    vitals = Vitals(QueueSource("front"), "front")
    vitals.sinks = [Written()]
    now_ns = time.monotonic_ns()
    vitals.record(Scene((96, 64), {}, {}, captured_ns=now_ns, stages_ms={"engine": 7.0}))
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(exposition(lambda: [vitals]).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_every_metric_that_is_asked_for_exists(
    exposed: dict[str, set[str]], place: str, expression: str
) -> None:
    if "process_" in expression and not Path("/proc/self/stat").exists():
        pytest.skip("there is no /proc to read")
    metrics = metrics_of(expression) or {"up"}
    assert metrics <= exposed.keys(), place
    # Prometheus itself adds job and instance.
    labels = {"job", "instance"}.union(*(exposed[metric] for metric in metrics))
    for chosen in re.findall(r"\{(.*?)\}", expression):
        assert set(re.findall(r"(\w+)[!=]", chosen)) <= labels, place
    for grouped in re.findall(r"by \((.*?)\)", expression):
        assert set(grouped.split(", ")) <= labels, place


def test_every_metric_is_looked_at(exposed: dict[str, set[str]]) -> None:
    asked = {name for _, expression in expressions() for name in metrics_of(expression)}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed if "edge_mtl" in name}
    assert ours == {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked if "edge" in name}


def test_panels_do_not_cover_each_other_and_ask_the_source_that_is_there() -> None:
    [source] = read("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        taken |= cells
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": source["type"], "uid": source["uid"]}
    assert max(x for x, _ in taken) < 24
    host, port = source["url"].removeprefix("http://").split(":")
    assert f"127.0.0.1:{port}:{port}" in SERVICES[host]["ports"]


def test_the_files_that_are_mounted_exist() -> None:
    mounted = {}
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            here, there, *_ = volume.split(":")
            if here.startswith("."):
                mounted[there] = COMPOSE / here
    assert len(mounted) == 4
    assert all(path.exists() for path in mounted.values())
    build = SERVICES["edge-mtl"]["build"]
    assert (COMPOSE / build["context"] / build["dockerfile"]).is_file()
    [provider] = read("grafana/provisioning/dashboards/edge-mtl.yaml")["providers"]
    assert mounted[provider["options"]["path"]] == DASHBOARD.parent
    shown = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted[str(Path(shown).parent)] / Path(shown).name == DASHBOARD


def test_prometheus_asks_the_page_that_runs_with_its_token(
    parse_command: Callable[..., Any],
) -> None:
    [job] = read("prometheus.yml")["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    service = SERVICES[host]
    words = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in service["command"]]
    name, options = parse_command(words)
    assert (name, options["web"]) == ("run", f"0.0.0.0:{port}")
    assert job["authorization"]["credentials_file"] == TOKEN_FILE
    assert f"$$(cat {TOKEN_FILE})" in service["entrypoint"][2]
    for each in ("edge-mtl", "prometheus"):
        assert SERVICES[each]["secrets"] == ["web_token"]
    assert all('job="edge-mtl"' in text for _, text in expressions() if "up{" in text)


def test_the_entrypoint_gives_the_token_to_the_command_and_to_nobody_else(tmp_path: Path) -> None:
    """As the shell of the image runs it, with the token of this test and `env` for edge-mtl."""
    shell, option, script, name = SERVICES["edge-mtl"]["entrypoint"]
    (tmp_path / "token").write_text("a token with spaces")
    script = script.replace("$$", "$").replace(TOKEN_FILE, str(tmp_path / "token"))
    script = script.replace("exec edge-mtl", "exec env sh -c 'env; echo \"$@\"' sh")
    done = subprocess.run(
        [shell, option, script, name, "run", "two words"], capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert "EDGE_MTL_WEB_TOKEN=a token with spaces" in lines
    assert lines[-1] == "run two words"


def test_promtool_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool (Debian: apt-get install prometheus)")
    tests = Path(__file__).with_name("alerts_test.yml")
    for check in (
        ("check", "config", "--syntax-only", COMPOSE / "prometheus.yml"),
        ("check", "rules", "--lint-fatal", COMPOSE / "alerts.yml"),
        ("test", "rules", tests),
    ):
        done = subprocess.run([promtool, *check], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
