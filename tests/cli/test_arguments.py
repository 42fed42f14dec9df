from pathlib import Path

from closegap.cli.arguments import add_out, free, parse, verb_parser


def test_what_a_kill_left_of_an_output_is_swept_before_it_is_written_again(tmp_path: Path) -> None:
    for name in (".set.safetensors.x1.unfinished", ".other.safetensors.x1.unfinished"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".tmpAbCdEf").write_bytes(b"half")
    parser = verb_parser("embed", "")
    add_out(parser, "a file")
    free(parse(parser, ["--out", str(tmp_path / "set.safetensors")]))
    assert [path.name for path in tmp_path.iterdir()] == [".other.safetensors.x1.unfinished"]
