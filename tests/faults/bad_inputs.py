"""Bad inputs as one table: what is typed, what is wrong, what must be said, and the exit code.

`test_bad_inputs.py` types each of them. A case begins in a copy of one of these folders:

- files: good and bad files of labelled texts, and no project.
- project: params.yaml and its corpus, with every data stage made (data/written/).
- finished: a project whose study has run, and an exported model (model/).
"""

from pathlib import Path

import pyarrow as pa

from tests.faults.cases import (
    ADD,
    CELLS,
    GOOD,
    NEXT,
    TABLE,
    Bad,
    added,
    archive,
    bit,
    both,
    columns,
    corpus,
    cut,
    downloads,
    far,
    gone,
    grid,
    of,
    planned,
    put,
    study,
    told,
    zipped,
)


def computed() -> object:
    """What the study stage does, up to its first cell."""
    from datayield import config
    from datayield.study.study_stage import compute

    params = config.load(Path("params.yaml"))
    return compute("written", params, Path(), None, None, None, None)  # type: ignore[arg-type]


FILES = {
    "no such file": Bad("study nothing.csv", "nothing.csv does not exist"),
    "missing column": Bad("study good.csv --text bdy", 'good.csv has no column "bdy": did you mean "body"?'),
    "missing label column": Bad("study good.csv --label star", 'has no column "star": did you mean "stars"?'),
    "empty file": Bad("study empty.csv", "empty.csv is empty; wanted labelled texts"),
    "header alone": Bad("study header.csv", "has no rows below its header"),
    "one class": Bad("study one_class.csv --label stars", "every text has the same label (same)"),
    "rare classes alone": Bad("study small.csv --text body --label stars", "every class needs at least 10 texts", change=put("small.csv", "".join(GOOD.splitlines(True)[:17]))),
    "few texts": Bad("study few.csv --label stars", "25 texts to learn from and 5 to test on; at least 50"),
    "binary": Bad("study binary.csv", "binary.csv, line 2: byte 0x80 is not utf-8"),
    "other encoding": Bad("study latin.csv --encoding utf-8", "latin.csv, line 2: byte 0xe7 is not utf-8; name the file's encoding"),
    "unknown encoding": Bad("study good.csv --encoding klingon", "unknown encoding 'klingon'"),
    "utf-16 without its mark": Bad("study good.csv --encoding utf-16", "good.csv is not utf-16: UTF-16 stream does not start with BOM"),
    "unknown ending": Bad("study words.docx", "words.docx: wanted a file ending in .csv"),
    "a spreadsheet of another format": Bad("study book.xls", "book.xls: wanted a file ending in .csv", change=put("book.xls", b"PK\3\4")),
    "folder without files": Bad("study none", "none is a folder without a file ending in"),
    "pattern of nothing": Bad("study no*.csv", "no*.csv: no file fits this pattern"),
    "numbers for texts": Bad("study numbers.csv --text a --label b", "holds numbers; --text needs texts"),
    "no texts at all": Bad("study numbers.csv", "no column looks like it holds the texts; name it by --text"),
    "ragged": Bad("study ragged.csv", "ragged.csv, line 3: 1 fields, the header has 2"),
    "budget above the pool": Bad("study good.csv --budget 5000", "the pool holds 106 labelled texts"),
    "budget too small": Bad("study good.csv --budget 3", "budget 3: expected at least 10 labels"),
    "budget no number": Bad("study good.csv --budget many", "invalid int value: 'many'"),
    "no draws": Bad("study good.csv --draws 0", "draws 0: expected 1 to 1000"),
    "too many draws": Bad("study good.csv --draws 5000", "draws 5000: expected 1 to 1000"),
    "folder not empty": Bad("study good.csv --folder full", "full is not empty and not a project"),
    "folder is a file": Bad("study good.csv --folder good.csv", "good.csv is a file; name a new or"),
    "folder below a file": Bad("study good.csv --folder good.csv/in", "good.csv/in cannot be made"),
    "bad name": Bad("study good.csv --name 'My Study'", "name My Study: expected small letters"),
    "split and test file": Bad("study good.csv --split stars --test good.csv", "not both"),
    "hub without columns": Bad("study hub:owner/name@1", "name its columns: --text COLUMN --label COLUMN"),
    "an option of files for the hub": Bad("study hub:owner/name@1 --text a --label b --labels merged", "--labels is for files; hub:owner/name@1 is a data set of the hub"),
    "hub without revision": Bad("study hub:owner/name --text a --label b", "name its revision"),
    "hub name that leads out": Bad("study hub:owner/../name@1 --text a --label b", "expected owner/name as on the hub"),
    "option without file": Bad("study --budget 100", "--budget needs a file: datayield study FILE"),
    "draws without file": Bad("study --draws 5", "--draws needs a file: datayield study FILE"),
    "unlabelled without file": Bad("study --unlabelled x.csv", "--unlabelled needs a file: datayield study FILE"),
    "unlabelled that is not there": Bad("study good.csv --unlabelled x.csv", "x.csv does not exist"),
    "unlabelled with nothing new": Bad("study good.csv --unlabelled good.csv", "every text is empty, or in the corpus as well"),
    "no project here": Bad("study", "params.yaml is missing"),
    "blank": added("  \n\n", "is empty"),
    "column misspelt": added("bodies,stars\nx,y\n", 'a.csv has no column "body": did you mean "bodies"'),
    "no label at all": added("body,stars\nx,\ny,\n", "a.csv: no row has a label (2 without a label"),
    "two spellings": added(GOOD + "text,A\n", 'labels differ in case or blanks alone ("a" 40, "A" 1)'),
    "several labels in one": added(GOOD + "text,\"a, b\"\n", 'labels name several classes at once ("a, b" 1)'),
    "classes that mark a missing label": added(GOOD.replace(",b\n", ",none\n"), "without \"none\" 40 fewer than two classes are left"),
    "a quotation mark of two meanings": added(GOOD + '"one, two",a\n' + '"it begins,a\nother,b\nit ends",a\n', "lines 83 to 85: between two quotation marks"),
    "several labels of most texts": added('{"text": "x", "label": ["a", "b"]}\n' * 9, "9 of 9 labelled texts have several labels", "corpora add a.jsonl --text text --label label", name="a.jsonl"),
    "an archive of two files": Bad("study two.zip", "two.zip holds 2 files (a.csv, b.csv); wanted one", change=archive("two.zip", "a.csv", "b.csv")),
    "no gzip": added("body,stars\n", "cannot be unpacked as gzip", name="a.csv.gz"),
    "no zip": added("body,stars\n", "cannot be unpacked as zip", name="a.csv.zip"),
    "an array that is cut off": added('[{"body": "x"}, {"bo', "a.json, entry 2: not JSON", name="a.json"),
    "too many fields": added(GOOD + "one,two,three\n", "line 82: 3 fields, the header has 2"),
    "open quote": added(GOOD + '"never closed, never,a\n', "line 82: unexpected end of data"),
    "a column twice": added("body,body\nx,y\n", "occurs twice in the header"),
    "not JSON": added('{"body": "x", "stars": "a"}\n{oops\n', "line 2: not JSON", name="a.jsonl"),
    "a JSON list": added("[1]\n", "entry 1: wanted a JSON object, got int", name="a.jsonl"),
    "a list for a text": added('{"body": ["x"], "stars": "a"}\n', "holds a list, wanted text", name="a.jsonl"),
    "half a character": added('{"body": "\\ud83d x", "stars": "a"}\n', "a.jsonl, line 1: half a character", name="a.jsonl"),
    "no parquet": added(b"PAR1 nonsense", "a.parquet is not a readable parquet file", name="a.parquet"),
    "parquet of binary texts": Bad(ADD.replace("csv", "parquet"), "holds bytes, wanted text", change=columns("a.parquet", body=[b"x"] * 60, stars=["a"] * 60)),
    "parquet of texts that are no UTF-8": Bad(ADD.replace("csv", "parquet"), "a.parquet is not a readable parquet file: 'utf-8' codec", change=columns("a.parquet", body=pa.array([b"\xff\xfe"] * 60).view(pa.string()), stars=["a"] * 60)),
    "a word for train or test": added("body,stars,s\nx,a,odd\n", "says 'odd', wanted train, validation or test", f"{ADD} --split s"),
    "a long field": added("body,stars\n" + "x" * 140_000 + ",a\n", "line 2: field larger than field limit"),
}  # fmt: skip

PARAMS = {
    "no mapping": planned("expected a mapping with study, corpora, updates; got list", put("params.yaml", "- a\n")),
    "no YAML": planned("params.yaml cannot be read as YAML", put("params.yaml", "study: [\n")),
    "params not utf-8": planned("params.yaml cannot be read as YAML", put("params.yaml", b"study: \xff\n")),
    "a Python object": planned("cannot be read as YAML", put("params.yaml", "a: !!python/object:os.system x")),
    "params.yaml empty": planned("expected a mapping with study, corpora, updates; got NoneType", put("params.yaml", "")),
    "wrong type": study("draws", "three", "study.draws: Input should be a valid integer, got 'three'"),
    "negative": study("draws", -1, "greater than or equal to 1, got -1"),
    "unknown name": study("drawz", 3, "study.drawz: unknown name; did you mean draws?"),
    "bad study name": study("name", "../x", "study.name: String should match pattern"),
    "corpora twice": study("corpora", ["written", "written"], "listed twice"),
    "unknown corpus": study("corpora", ["writen"], 'unknown corpus "writen": did you mean "written"'),
    "draws from nowhere": study("draws", {"first": 3}, "draws: expected a number, auto, race, {first: 3, count: 10}, {looks: [3, 6, 10]} or {rounds: [{draws: 2, keep: 5}]}"),
    "looks that descend": study("draws", {"looks": [6, 3]}, "draws: looks: expected ascending numbers from 2 to 1000, got [6, 3]"),
    "looks beside draws": study("looks", [3, 6], "study: looks: write it as draws: auto, or as a mapping in draws"),
    "race beside draws": study("race", {"fresh": 3}, "study: race: write it as draws: race, or as a mapping in draws"),
    "a race that keeps all": study("draws", {"rounds": [{"draws": 1, "keep": 3}, {"draws": 1, "keep": 3}]}, "draws: rounds: each round must keep fewer strategies than the one before, got [3, 3]"),
    "a resolution of nothing": study("draws", {"resolution": 0.0}, "draws: resolution: Input should be greater than 0"),
    "a path for a corpus": planned("corpora.../x.[key]: String should match pattern", of("corpora", {"../x": {"loader": "pydocs", "libraries": ["json", "csv"], "per_class": 50}})),
    "negative budget": planned("at least 10 labels, got -5", grid("tfidf", budgets=(-5,))),
    "budgets not ascending": planned("ascending without repeats, got [60, 30]", grid("tfidf", budgets=(60, 30))),
    "no budget as a number": planned("must give its budgets as numbers", grid("tfidf", budgets="half_octaves")),
    "every budget beyond the pool": planned("every budget (5000) is larger than the pool", grid("tfidf", budgets=(5000,))),
    "unknown architecture": planned('unknown architecture "lstn": did you mean "lstm"', grid("lstn:plain")),
    "unknown strategy": planned('unknown strategy "eda_n": did you mean "eda_nn"', grid("lstm:eda_n")),
    "a strategy for no network": planned("not a network and takes no strategies", grid("tfidf:eda_nn")),
    "checks that exclude each other": planned("cannot be combined", grid("lstm:twin+double")),
    "two objectives": planned("each of them decides the loss of an example", grid("lstm:vat+superloss")),
    "an empty arm": planned('arm "": unknown architecture', grid("")),
    "unknown baseline": planned('unknown strategy "plane"', of("analysis.baseline", "lstm:plane")),
    "an unknown setting": planned('unknown setting "hiden": did you mean "hidden"', of("model", {"hiden": 3})),
    "no width": planned("model.hidden: wanted a number of at least 1, got 0", of("model.hidden", 0)),
    "no windows": planned("model.windows: wanted a number of at least 1, got 0", of("model.windows", 0)),
    "windows as a word": planned("model.windows: wanted int, got 'all'", of("model.windows", "all")),
    "a share above one": planned("model.dropout: wanted a share in [0, 1), got 1.5", of("model.dropout", 1.5)),
    "another pooling": planned("model.pooling: wanted max_mean or last, got 'mean'", of("model.pooling", "mean")),
    "a rate that is none": planned("model.learning_rate: wanted a finite number, got nan", of("model.learning_rate", float("nan"))),
    "an unknown argument": planned('strategy "eda_nn" has no argument "alfa"', of("strategies", {"eda_nn": {"alfa": 1}})),
    "an argument out of range": planned('strategy "vat": epsilon: wanted', of("strategies", {"vat": {"epsilon": 0}})),
    "arguments of no strategy": planned('unknown strategy "edda"', of("strategies", {"edda": {}})),
    "word vectors that are not there": planned("wanted a file of word vectors, got 'nowhere.txt'", of("strategies", {"vectors": {"file": "nowhere.txt"}})),
    "no updates for few labels": planned("updates needs an entry for the smallest budgets", of("updates", {500: 5})),
    "an empty range": planned("expected low below high, got 3 to 1: empty", of("tuning.space", {"batch": {"low": 3, "high": 1}})),
    "a search of nothing": planned('no search looks at "hiden"', both(of("tuning.trials", 2), of("tuning.space", {"hiden": None}))),
    "no workers": planned("workers must be at least 1 or auto, got 0", of("execution.workers", 0)),
    "an unknown device": planned("Input should be 'auto', 'cpu' or 'cuda'", of("execution.device", "tpu")),
    "a level above one": planned("Input should be less than 1", of("analysis.level", 95)),
    "an unknown loader": planned("corpora.written: Input tag 'excel'", of("corpora.written.loader", "excel")),
    "a hash that is none": planned("String should match pattern '^[0-9a-f]{64}$'", of("corpora.written.sha256", "abc")),
    "a path with a zero": planned("String should match pattern", of("corpora.written.path", "a\0b")),
    "a password in an address": planned("would be kept in dvc.lock", downloads(url="https://me:word@host/x")),
    "a cache name that leads out": planned("String should match pattern", downloads(name="../x")),
    "an address of another kind": planned("String should match pattern '^https?://'", downloads(url="ftp://host/x")),
    "a corpus that is not built": planned("is not built yet. Run `dvc repro corpus@written` first", gone("data/written/corpus.arrow")),
}  # fmt: skip

COMMANDS = {
    "no command": Bad("", "the following arguments are required: COMMAND"),
    "unknown command": Bad("studdy", "invalid choice: 'studdy'"),
    "unknown option": Bad("plan --jsn", "unrecognized arguments: --jsn"),
    "unknown shell": Bad("completion tcsh", "invalid choice: 'tcsh'"),
    "unknown preset": Bad("preset defualt", "invalid choice: 'defualt'"),
    "unknown stage": Bad("stage corpse", "invalid choice: 'corpse'"),
    "a stage without its corpus": Bad("stage vectors", "stage vectors needs a corpus: --corpus NAME"),
    "a stage of another corpus": Bad("stage corpus --corpus x", 'unknown corpus "x"', "project"),
    "a stage before its own": Bad("stage vectors --corpus written", "corpus.arrow is missing. Run `dvc repro`", "project", gone("data/written/corpus.arrow")),
    "unknown strategy shown": Bad("strategies show eda_n", 'did you mean "eda_nn"'),
    "unknown corpus checked": Bad("corpora check nowhere", 'unknown corpus "nowhere"', "project"),
    "corpora without a project": Bad("corpora list", "params.yaml is missing"),
    "init in a full folder": Bad("init full", "full is not empty"),
    "init of an unknown corpus": Bad("init new --corpus sms_spm", 'did you mean "sms_spam"'),
    "renewal of no project": Bad("init none --renew", "none is not a project of `datayield init`"),
    "quiet and verbose": Bad("study -q -v", "not allowed with argument"),
    "deploy without prefect.yaml": Bad("deploy", "prefect.yaml is missing", "project", lambda f: (f / "prefect.yaml").unlink(missing_ok=True)),
    "deploy of nothing": Bad("deploy", "has no list of deployments", "project", put("prefect.yaml", "a: 1\n")),
    "deploy of no YAML": Bad("deploy", "prefect.yaml is not YAML", "project", put("prefect.yaml", "a: [\n")),
    "need a percentage": Bad("need --target 85", "needs a score between 0 and 1, got 85: 0.85?", "finished"),
    "need of no arm": Bad("need --target 0.8 --arm lstm:pain", 'did you mean "lstm:plain"', "finished"),
    "need of no corpus": Bad("need --corpus other", 'the study has no corpus "other"', "finished"),
    "need with nothing": Bad("need --have 0", "--have needs", "finished"),
    "need before the study": Bad("need --target 0.8", "study.json is missing. Run `dvc repro`", "project"),
    "compare with nothing": Bad("compare nothing nothing", '"nothing" is not a study in reports', "finished"),
    "compare no JSON": Bad("compare metrics.json metrics.json", "metrics.json is not JSON", "finished", put("metrics.json", "{")),
    "compare no UTF-8": Bad("compare metrics.json metrics.json", "metrics.json is not JSON", "finished", put("metrics.json", b"\x80\xff")),
    "compare an older one": Bad("compare metrics.json metrics.json", "has schema 1, this version", "finished", put("metrics.json", "{}")),
    "compare half of one": Bad("compare metrics.json metrics.json", "metrics.json of metrics.json or of metrics.json is damaged", "finished", put("metrics.json", '{"schema": 3}')),
    "audit of no file": Bad("audit none.csv", "none.csv does not exist"),
    "audit over a file": Bad("audit good.csv", "audit.md exists. Name another folder by --out", change=lambda f: ((f / "good-audit").mkdir(exist_ok=True), (f / "good-audit/audit.md").write_text("mine"))),
    "audit below no folder": Bad("audit good.csv --out good.csv/x", "good.csv/x"),
    "audit of a missing column": Bad("audit good.csv --label star", 'has no column "star": did you mean "stars"'),
    "next to another ending": Bad(f"{NEXT} --out next.txt", "--out next.txt: expected a file ending in"),
    "next over a file": Bad(f"{NEXT} --out good.csv", "good.csv exists and may hold labels"),
    "next by no acquirer": Bad(f"{NEXT} --by eda", "eda"),
    "next more than there is": Bad(f"{NEXT} --n 5000", "Choose a smaller --n"),
    "next of half a character": Bad("next --labelled good.csv --unlabelled half.jsonl --n 5 --text body", "half.jsonl, line 1: half a character", change=put("half.jsonl", '{"body": "a \\udc00"}\n')),
    "next below no folder": Bad(f"{NEXT} --out good.csv/next.csv", "good.csv/next.csv"),
}  # fmt: skip

MODELS = {
    "no model": Bad("predict none good.csv", "none is not an exported model: wanted a folder with config.json"),
    "a model that is no JSON": Bad("predict model texts.csv", "config.json is damaged: it is not JSON", "finished", put("model/config.json", "{")),
    "a model of others": Bad("predict model texts.csv", "was not written by `datayield export`", "finished", put("model/config.json", "{}")),
    "a model of another format": Bad("predict model texts.csv", "has format 4; datayield", "finished", told("model/config.json", lambda c: c.update(format=4))),
    "a changed model": Bad("predict model texts.csv", "its checksum does not fit its content", "finished", told("model/config.json", lambda c: c["classes"].reverse())),
    "half a model": Bad("predict model texts.csv", "its sha256 is not the one that config.json names", "finished", cut("model/model.safetensors")),
    "a flipped bit in a model": Bad("predict model texts.csv", "its sha256 is not the one", "finished", bit("model/model.safetensors")),
    "a model without weights": Bad("predict model texts.csv", "model.safetensors is damaged: No such file", "finished", gone("model/model.safetensors")),
    "texts that are not there": Bad("predict model other.csv", "other.csv does not exist", "finished"),
    "texts of an unknown form": Bad("predict model texts.doc", "texts.doc: wanted a file ending in", "finished", put("texts.doc", "x")),
    "texts in another column": Bad("predict model texts.csv --text bdy", 'has no column "bdy": did you mean "body"', "finished"),
    "texts in several columns": Bad("predict model written.csv", "has the columns body, stars; name that of the texts", "finished"),
    "texts in an empty csv": Bad("predict model a.csv", "a.csv is empty; wanted a line of column names", "finished", put("a.csv", "")),
    "texts of another encoding": Bad("predict model a.txt --encoding utf-8", "a.txt, line 1: byte 0xff is not utf-8", "finished", put("a.txt", b"\xff\n")),
    "texts in utf-16 without its mark": Bad("predict model a.txt --encoding utf-16", "a.txt is not utf-16", "finished", put("a.txt", "some text\n")),
    "a column of lines": Bad("predict model a.txt --text body", "is read as a text per line, without columns", "finished", put("a.txt", "x\n")),
    "labels to another ending": Bad("predict model texts.csv --out a.doc", "--out a.doc: wanted a file ending in", "finished"),
    "JSON to a csv": Bad("predict model texts.csv --json --out a.csv", "--json writes lines of JSON", "finished"),
    "half a character to label": Bad("predict model a.jsonl --out a.csv", "a.jsonl, line 1: half a character", "finished", put("a.jsonl", '{"text": "\\ud800"}\n')),
    "an export of an unknown arm": Bad("export --arm lstm:pain", 'no finished cell of an arm "lstm:pain"', "finished"),
    "an export of an unknown budget": Bad("export --n 7", "--n 7: no finished cell has that budget", "finished"),
    "an export over something else": Bad("export --out flows", "flows holds files that are not an exported model", "finished"),
    "an export before the study": Bad("export", "history.parquet is missing", "project"),
}  # fmt: skip

DAMAGED = {
    "half a table": Bad("need --target 0.8", "cells.parquet is damaged", "finished", cut(CELLS)),
    "a flipped bit in a table": Bad("need --target 0.8", "cells.parquet is damaged", "finished", bit(CELLS, 0.3)),
    "a table with other columns": Bad("need --target 0.8", "has other columns than this version", "finished", columns(CELLS, **TABLE)),
    "no summary": Bad("need --target 0.8", "study.json is missing. Run `dvc repro`", "finished", gone("results/written/study.json")),
    "half a summary": Bad("need --target 0.8", "study.json is damaged", "finished", cut("results/written/study.json")),
    "a summary that is a list": Bad("need --target 0.8", "wanted a JSON object, got list", "finished", put("results/written/study.json", "[]")),
    "half an audit": Bad("need --target 0.8", "audit.parquet is damaged", "finished", cut("data/written/audit.parquet")),
    "half a history": Bad("stage analyse", "history.parquet is damaged", "finished", cut("results/written/history.parquet")),
    "half of the dynamics": Bad("stage analyse", "dynamics.parquet is damaged", "finished", cut("results/written/dynamics.parquet")),
    "half of the trials": Bad("stage analyse", "trials.parquet is damaged", "finished", cut("results/written/trials.parquet")),
    "no statistics": Bad("stage report", "statistics.json is missing", "finished"),
    "half of the statistics": Bad("stage report", "statistics.json is damaged", "finished", put("reports/small/statistics.json", '{"version": ')),
    "older statistics": Bad("stage report", "has version 1, expected", "finished", put("reports/small/statistics.json", "{}")),
    "half of the settings": Bad("plan", "settings.json is damaged", "project", put("results/written/settings.json", '{"30": ')),
    "settings that are a list": Bad("plan", "wanted a JSON object, got list", "project", put("results/written/settings.json", "[]")),
    "settings of something else": Bad(computed, "settings.json has no settings of lstm:plain at 30", "project", put("results/written/settings.json", '{"30": {"lstm:plain": 5}}')),
    "half a card": Bad("plan", "card.json is damaged", "project", cut("data/written/card.json")),
    "a card without lengths": Bad("plan", "card.json is damaged (the entry 'tokens per text' is missing)", "project", put("data/written/card.json", "{}")),
    "half a corpus": Bad("stage audit --corpus written", "corpus.arrow is damaged", "project", cut("data/written/corpus.arrow")),
    "a flipped bit in a corpus": Bad("stage audit --corpus written", "corpus.arrow does not fit its digest: it was changed", "project", bit("data/written/corpus.arrow", 0.2)),
    "half of the draws": Bad("stage augment --corpus written", "draws.arrow is damaged", "project", cut("data/written/draws.arrow")),
    "a flipped bit in the draws": Bad("stage augment --corpus written", "draws.arrow is damaged (draw", "project", bit("data/written/draws.arrow", 0.4)),
    "half of the word vectors": Bad("stage augment --corpus written", "vectors.parquet is damaged", "project", cut("data/written/vectors.parquet")),
    "a source that changed": Bad("stage corpus --corpus written", "written.csv changed since it was added: wanted sha256", "project", put("written.csv", GOOD)),
    "a source that is gone": Bad("stage corpus --corpus written", "written.csv does not exist", "project", gone("written.csv")),
}  # fmt: skip

_BUILD = "stage corpus --corpus written"
DOWNLOADS = {
    "no network": Bad(_BUILD, "cannot be downloaded from http://127.0.0.1:9/a: no connection", "project", downloads()),
    "a mirror that is none": Bad(_BUILD, "DATAYIELD_MIRROR=/nowhere is not a folder", "project", downloads(), env={"DATAYIELD_MIRROR": "/nowhere"}),
    "half a file in the mirror": Bad(_BUILD, "a.txt is truncated: wanted 5 bytes", "project", both(downloads(), put("a.txt", "abc")), env={"DATAYIELD_MIRROR": "."}),
    "a page in the mirror": Bad(_BUILD, "a web page instead of a.txt", "project", both(downloads(), put("a.txt", "<html>please log in</html>")), env={"DATAYIELD_MIRROR": "."}),
    "an archive that is cut short": Bad(_BUILD, "a.txt is not a readable zip or tar archive", "project", both(downloads(), zipped("a.txt", b"x", lambda made: made.__delitem__(slice(30, None)))), env={"DATAYIELD_MIRROR": "."}),
    "an archive with a place that is none": Bad(_BUILD, "a.txt is not a readable zip or tar archive: negative seek value", "project", both(downloads(), zipped("a.txt", b"x", far)), env={"DATAYIELD_MIRROR": "."}),
    "an unknown format": Bad(_BUILD, 'unknown format "ag_cvs": did you mean "ag_csv"', "project", downloads(format="ag_cvs")),
    "an unknown entry of the catalog": Bad(_BUILD, 'the catalog has no "sms_spm": did you mean "sms_spam"', "project", corpus(loader="catalog", entry="sms_spm")),
    "a folder of the hub that is none": Bad(_BUILD, "nowhere is not a folder; its path is relative to params.yaml", "project", corpus(loader="hub", name="./nowhere", text="t", label="l")),
}  # fmt: skip


def storage() -> object:
    """What the tune stage does first."""
    from datayield.tuning import optuna_search

    return optuna_search.storage(Path(), alone=True)


def stored(url: str, says: str) -> Bad:
    return Bad(storage, says, env={"DATAYIELD_OPTUNA_STORAGE": url})


STORAGE = {
    "a database of an unknown kind": stored("no-such://x", "the database of DATAYIELD_OPTUNA_STORAGE has an address that cannot be read"),
    "no address of a database": stored("trials", "the database of DATAYIELD_OPTUNA_STORAGE has an address that cannot be read"),
    "a database that is away": stored("postgresql+psycopg2://me:word@127.0.0.1:9/t", "Connection refused"),
    "a database in no folder": stored("sqlite:///nowhere/trials.db", "unable to open database file"),
    "a journal that is a folder": Bad(storage, "optuna.journal: IsADirectoryError", change=lambda f: (f / "state" / "optuna.journal").mkdir(parents=True)),
    "a journal of something else": Bad(storage, "delete the journal if it is damaged", change=put("state/optuna.journal", "no JSON\n" * 3)),
}  # fmt: skip

TABLES = (FILES, PARAMS, COMMANDS, MODELS, DAMAGED, DOWNLOADS, STORAGE)
CASES: dict[str, Bad] = {name: bad for part in TABLES for name, bad in part.items()}
