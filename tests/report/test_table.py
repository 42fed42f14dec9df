import tests.figures
from rich.console import Console

from closegap.evaluation.report import Arm, Estimate, Report, Skipped
from closegap.report.table import markdown_table, terminal_tables


def report(arms: int = 2) -> Report:
    metrics = {
        "gap": Estimate(0.5, 0.45, 0.55),
        "cos_true_pairs": Estimate(0.3),
        "cos_null": Estimate(0.01),
        "x_to_y/R@10": Estimate(0.2125, 0.19, 0.23),
        "x_to_y/R@10/chance": Estimate(0.0211),
        "x_to_y/mrr": Estimate(0.1),
    }
    better = {**metrics, "gap": Estimate(0.1, 0.08, 0.12)}
    return tests.figures.report(
        [Arm(f"arm {i}", better if i else metrics) for i in range(arms)], [Skipped("captions", "no decoder")]
    )


def printed(width: int = 100, arms: int = 2, **options: object) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal_tables(report(arms), width=width, **options))  # type: ignore[arg-type]
    return capture.get()


def test_values_intervals_directions_and_what_was_left_out() -> None:
    text = printed()
    for part in (
        "Modality gap ↓",
        "cos null →0",
        "x → y R@10 ↑",
        "0.500",
        "[0.450, 0.550]",
        "21.2%",
        "[19.0, 23.0]",
        "chance 2.1%",
    ):
        assert part in text
    assert "left out: captions (no decoder)" in text
    assert "mrr" not in text.lower()


def test_marks_against_the_baseline() -> None:
    differences = {"arm 1": {"gap": Estimate(-0.4, -0.5, -0.3), "x_to_y/R@10": Estimate(0.0, -0.1, 0.1)}}
    text = printed(baseline="arm 0", differences=differences)
    assert "0.100 ▲" in text
    assert "21.2% ▲" not in text
    assert "difference from arm 0" in text


def test_arms_beyond_the_width_go_to_further_tables() -> None:
    text = printed(width=80, arms=5)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.count("Modality gap") == 3
    assert all(f"arm {i}" in text for i in range(5))


def test_names_are_no_console_markup() -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(terminal_tables(tests.figures.report([Arm("[red]x[/nonsense]", {"v_measure": Estimate(0.1)})])))
    assert "[red]x[/nonsense]" in capture.get()


def test_markdown() -> None:
    assert markdown_table(report(), ["gap", "x_to_y/R@10"]) == (
        "| arm | Modality gap ↓ | x → y R@10 ↑ |\n"
        "| --- | ---: | ---: |\n"
        "| arm 0 | 0.500 [0.450, 0.550] | 21.2% [19.0, 23.0] |\n"
        "| arm 1 | **0.100** [0.080, 0.120] | 21.2% [19.0, 23.0] |\n"
    )


def test_markdown_never_prints_a_gap_without_null() -> None:
    alone = tests.figures.report([Arm("a|b <i>", {"gap": Estimate(0.1), "v_measure": Estimate(0.2)})])
    assert markdown_table(alone, ["gap", "v_measure"]).splitlines()[0] == "| arm | V-measure ↑ |"
    assert markdown_table(alone).splitlines()[2] == "| a\\|b &lt;i> | 0.200 |"


def test_markdown_names_the_pair_where_there_are_several() -> None:
    values = {"p|q:p_to_q/R@1": Estimate(0.5), "p|r:p_to_r/R@1": Estimate(0.25)}
    assert markdown_table(tests.figures.report([Arm("a", values)])).splitlines()[0] == (
        "| arm | p and q: p → q R@1 ↑ | p and r: p → r R@1 ↑ |"
    )
