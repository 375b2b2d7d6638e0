"""Profile files: read from a version's directory, and from nowhere else."""

import pytest

from vitrine_client.results.profiles.profile import ProfileError
from vitrine_client.store import profile_files


@pytest.fixture
def version(tmp_path):
    """Directory of a version, without such files."""
    (tmp_path / "models/pets/1/assets.extra").mkdir(parents=True)
    return tmp_path / "models" / "pets" / "1"


def told(version):
    """Members that files say, by the file."""
    layers = profile_files.layers(profile_files.texts(version))
    return {layer.source: dict(layer.members) for layer in layers}


def test_files_in_the_directory(version):
    """A byte order mark is none of their content."""
    folder = version / "assets.extra"
    (folder / "profile.json").write_text('\ufeff{"scaling": "0..255"}', encoding="utf-8")
    (folder / "labels.txt").write_text("\ufeffa\nb\n", encoding="utf-8")
    expected = {"profile.json": {"scaling": "0..255"}, "labels.txt": {"labels": ("a", "b")}}
    assert told(version) == expected


@pytest.mark.parametrize("name", profile_files.NAMES)
@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_link_to_a_file_elsewhere(version, name, linked):
    """Its content is nobody's to see: it may be a key that the server reads."""
    outside = version.parents[2] / "secrets"
    outside.mkdir()
    (outside / name).write_text("a secret")
    if linked == "file":
        (version / "assets.extra" / name).symlink_to(outside / name)
    else:
        (version / "assets.extra").rmdir()
        (version / "assets.extra").symlink_to(outside)
    with pytest.raises(ProfileError, match="link out of its version's directory") as refused:
        profile_files.texts(version)
    assert name in str(refused.value)
    assert "a secret" not in str(refused.value)


def test_links_within_the_directory(version):
    """As Kubernetes lays out a volume; the version itself may be a link, too."""
    (version / "..data").mkdir()
    (version / "..data" / "labels.txt").write_text("a\nb")
    (version / "assets.extra" / "labels.txt").symlink_to("../..data/labels.txt")
    (version.parent / "2").symlink_to("1")
    for each in (version, version.parent / "2"):
        assert told(each) == {"labels.txt": {"labels": ("a", "b")}}


def test_a_link_that_leads_nowhere(version):
    """It is as if there was no file."""
    (version / "assets.extra" / "labels.txt").symlink_to("/nowhere")
    assert told(version) == {}


def test_a_member_that_is_told_twice():
    """Which of both is meant nobody knows."""
    text = '{"fit": "pad", "scaling": "0..1", "scaling": "0..255"}'
    with pytest.raises(ProfileError, match=r"^profile\.json: `scaling` is there more than once"):
        profile_files.layers({"profile.json": text})


def test_lines_of_labels():
    """They end as lines of files do; what else parts lines for Python is part of a label."""
    text = "a\u2028b\r\nc\x0cd\re\x85f\n g \n\n"
    (layer,) = profile_files.layers({"labels.txt": text})
    assert layer.members["labels"] == ("a\u2028b", "c\x0cd", "e\x85f", "g")


def test_links_in_a_circle(tmp_path):
    """They are told of as any file that cannot be read."""
    (tmp_path / "assets.extra").mkdir()
    labels = tmp_path / "assets.extra" / "labels.txt"
    labels.symlink_to(labels)
    with pytest.raises(ProfileError, match=r"^labels\.txt cannot be read \("):
        profile_files.texts(tmp_path)
