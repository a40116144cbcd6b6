"""The encoding of a file is found from its content, said, and kept in params.yaml; or the file is refused."""

import codecs
import csv
import io
import json
from pathlib import Path

import pytest

from datayield import corpora
from datayield.cli import main
from datayield.config import FileSource
from datayield.core.errors import UserError
from datayield.corpora import alphabets, encodings, input_files, unlabelled
from datayield.corpora.input_files import InputFiles

SENTENCES = {
    "French": ("le café est très bon à midi", "où êtes-vous allé cet été", "ça coûte déjà trop cher, hélas",
               "la forêt près du château", "un garçon naïf rêve à Noël"),
    "German": ("die Straße ist für Fußgänger gesperrt", "schöne Grüße aus Köln", "über den Flüssen liegt Schnee",
               "das Mädchen läuft zum Bäcker", "wir hören Musik und tränken gern Süßes"),
    "Spanish": ("mañana será otro día", "el niño comió piña y jamón", "¿cuándo llegará el señor Núñez?",
                "la canción está en español", "un pingüino pequeño y simpático"),
    "Polish": ("źle się czuję, dziękuję za pomoc", "żółw idzie wąską ścieżką", "gdzie jest łódź mojego wujka",
               "chciałbym prosić o świeży chleb", "książka leży pod łóżkiem"),
    "Russian": ("сегодня хорошая погода в городе", "мы идём в большой магазин", "где находится ближайший вокзал",
                "эта книга мне очень понравилась", "спасибо за вашу помощь"),
    "Greek": ("σήμερα ο καιρός είναι καλός", "πού είναι ο σταθμός παρακαλώ", "το βιβλίο μου αρέσει πολύ",
              "ευχαριστώ για τη βοήθεια", "η θάλασσα είναι ήρεμη το πρωί"),
    "Turkish": ("bugün hava çok güzel değil mi", "şehirde yaşıyoruz artık", "ağacın altında çocuğun köpeği var",
                "yarın İstanbul'a gideceğiz", "kitabı çok beğendim, teşekkürler"),
    "Japanese": ("今日は天気がとても良いです", "駅はどこにありますか", "この本はとても面白かった",
                 "明日の朝、東京へ行きます", "手伝ってくれてありがとう"),
    "Chinese": ("今天的天气非常好", "请问火车站在哪里", "我很喜欢这本书的内容",
                "明天早上我们去北京", "谢谢你的帮助和支持"),
    "Korean": ("오늘은 날씨가 아주 좋습니다", "기차역이 어디에 있습니까", "이 책은 정말 재미있었어요",
               "내일 아침에 서울로 갑니다", "도와주셔서 감사합니다"),
}  # fmt: skip
WRITTEN = [
    ("French", "windows-1252"), ("German", "windows-1252"), ("Spanish", "windows-1252"),
    ("Polish", "windows-1250"), ("Polish", "iso-8859-2"), ("Turkish", "windows-1254"),
    ("Russian", "windows-1251"), ("Russian", "koi8-r"), ("Greek", "windows-1253"),
    ("Japanese", "cp932"), ("Japanese", "euc-jp"), ("Japanese", "iso2022_jp"), ("Chinese", "gb18030"),
    ("Korean", "cp949"), ("French", "mac-roman"), ("German", "cp850"),
]  # fmt: skip


def content(language: str, rows: int = 60) -> str:
    """Labelled sentences as csv; no text occurs twice."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(["label", "text"])
    sentences = SENTENCES[language]
    lines.writerows(("ab"[i % 2], f"{sentences[i % len(sentences)]} ({i})") for i in range(rows))
    return out.getvalue()


def made(folder: Path, text: str, encoding: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(("language", "encoding"), WRITTEN)
def test_what_was_found_reads_the_text_is_said_and_recorded(
    language: str, encoding: str, tmp_path: Path
) -> None:
    text = content(language)
    path = made(tmp_path, text, encoding)
    source, notices = input_files.corpus_entry(InputFiles([str(path)], text="text", label="label"))
    assert isinstance(source, FileSource)
    assert path.read_bytes().decode(source.encoding) == text
    (said,) = (x for x in notices if "read as" in x)
    assert said.startswith(f"{path}: read as {source.encoding} (")
    corpus, card = corpora.build("c", source, 1, tmp_path)
    assert {*corpus.texts, *corpus.test_texts} == {
        x for _, x in list(csv.reader(io.StringIO(text)))[1:]
    }
    assert card["source"]["encoding"] == source.encoding
    if encoding != "iso2022_jp":
        wrong = sum(not x.isascii() for x in text.splitlines())
        assert card["source"]["not utf-8"]["a.csv"]["bytes"] >= wrong > 50
        assert card["source"]["not utf-8"]["a.csv"]["first in line"] == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("language", ["French", "Russian", "Chinese"])
def test_utf_is_known_for_certain(language: str, encoding: str, tmp_path: Path) -> None:
    found = encodings.found(made(tmp_path, content(language), encoding))
    assert found.sentence is None and found.name in ("utf-8", "utf-16", "utf-32")


@pytest.mark.parametrize("encoding", encodings.WIDE)
@pytest.mark.parametrize("language", ["German", "Russian", "Chinese", "Korean"])
def test_wide_characters_without_a_mark(language: str, encoding: str, tmp_path: Path) -> None:
    lines = [json.dumps({"text": x}, ensure_ascii=False) for x in SENTENCES[language]]
    for text in (content(language), "\n".join(SENTENCES[language]), "\n".join(lines)):
        path = made(tmp_path, text, encoding)
        assert path.read_bytes().decode(encodings.found(path).name) == text
        path.unlink()


def test_a_zero_byte_in_a_text_makes_no_wide_characters(tmp_path: Path) -> None:
    path = made(tmp_path, content("German") + "a,one\0two\n", "utf-8")
    assert encodings.found(path).name == "utf-8"


def test_few_bytes_are_said_with_the_line_and_the_other_reading(tmp_path: Path) -> None:
    text = "label,text\n" + "a,plain words only\n" * 10 + "b,mañana\nb,costs £5\n"
    found = encodings.found(made(tmp_path, text, "cp1252"))
    assert found.name == "windows-1252" and found.sentence is not None
    assert "2 bytes are not utf-8, the first in line 12" in found.sentence
    assert '("mañana" can also be "mańana": --encoding windows-1250)' in found.sentence


def test_damaged_utf8_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content("French").encode() + b"a,caf\xe9\n")
    with pytest.raises(
        UserError, match=r"line 62: byte 0xe9 is not utf-8, but \d+ other characters"
    ):
        encodings.found(path)
    path.write_bytes(content("Russian").encode() + content("Russian").encode("cp1251"))
    with pytest.raises(UserError, match=r"line 63: byte \S+ is not utf-8, and no other"):
        encodings.found(path)


@pytest.mark.parametrize(
    "rows", [b"a,%b\n" % bytes(range(128, 256)) * 20, "a,да\n".encode("koi8-r")]
)
def test_what_makes_no_words_is_refused_with_the_readings(rows: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"label,text\n" + rows)
    with pytest.raises(UserError, match="line 2: .* no other encoding .*name the file's encoding"):
        encodings.found(path)


def test_the_encoding_fits_the_whole_file_not_only_its_beginning(tmp_path: Path) -> None:
    text = content("French", 4000)
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("cp1252") + b"a,\x81\n")  # a byte that windows-1252 does not have
    with pytest.raises(UserError, match="no other encoding makes words of all"):
        encodings.found(path)


def test_one_long_line_is_judged_by_its_words(tmp_path: Path) -> None:
    rows = [{"text": x, "label": "a"} for x in SENTENCES["Japanese"] * 500]
    path = made(tmp_path, json.dumps(rows, ensure_ascii=False), "cp932", "a.json")
    assert encodings.found(path).name == "cp932"


def test_each_file_has_its_own_encoding(tmp_path: Path) -> None:
    one = made(tmp_path, content("French"), "cp1252", "one.csv")
    two = made(tmp_path, content("German"), "utf-8", "two.csv")
    names = {"text": "text", "label": "label"}
    source, _ = input_files.corpus_entry(InputFiles([str(one), str(two)], **names))
    assert isinstance(source, FileSource) and source.more[0].columns is not None
    assert (source.encoding, source.more[0].columns.encoding) == ("windows-1252", "utf-8")
    corpus, card = corpora.build("c", source, 1, tmp_path)
    assert len(corpus.texts) + len(corpus.test_texts) == 120
    assert card["source"]["encodings"] == {"one.csv": "windows-1252", "two.csv": "utf-8"}


def test_what_the_user_names_is_not_questioned(tmp_path: Path) -> None:
    path = made(tmp_path, content("French"), "cp1252")
    source, notices = input_files.corpus_entry(InputFiles([str(path)], encoding="latin-1"))
    assert isinstance(source, FileSource) and source.encoding == "latin-1"
    assert not any("read as" in x for x in notices)
    with pytest.raises(UserError, match="line 2: byte 0xe9 is not utf-8; name the file's encoding"):
        input_files.corpus_entry(InputFiles([str(path)], encoding="utf-8"))


def test_texts_to_predict_are_read_alike(tmp_path: Path) -> None:
    said: list[str] = []
    path = made(tmp_path, content("Polish"), "cp1250")
    with unlabelled.open_texts(path, None, "text", notify=said.append) as texts:
        assert next(iter(texts)) == "źle się czuję, dziękuję za pomoc (0)"
    assert len(said) == 1 and "read as windows-1250" in said[0]


def test_next_says_the_encoding_of_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made(tmp_path, content("Spanish"), "cp1252", "mine.csv")
    made(tmp_path, "text\n" + "\n".join(SENTENCES["German"]) + "\n", "cp850", "pool.csv")
    command = [
        "next",
        "--labelled",
        "mine.csv",
        "--unlabelled",
        "pool.csv",
        "--n",
        "2",
        "--out",
        "next.csv",
    ]
    assert not main.main(command)
    said = capsys.readouterr().err
    assert "mine.csv: read as windows-1252" in said and "pool.csv: read as cp850" in said
    assert "ß" in (tmp_path / "next.csv").read_text() or "ö" in (tmp_path / "next.csv").read_text()


@pytest.mark.parametrize("name", encodings.TITLES)
def test_every_encoding_is_known_to_python(name: str) -> None:
    assert codecs.lookup(name)


@pytest.mark.parametrize(
    ("text", "strange"),
    [
        ("una mañana", 0),
        ("don’t", 0),
        ("caf‚ au lait", 1),
        ("voilÃ", 1),
        ("Ñîáàêà", 6),
        ("", 0),
    ],
)
def test_strange_marks(text: str, strange: int) -> None:
    assert alphabets.judged(text).strange == strange
