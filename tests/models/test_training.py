"""A network learns, repeats itself, sees what it may see, and comes back from its folder."""

import json
import shutil

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from hiphoplib.dataset.store import MelStore
from hiphoplib.errors import BadInput
from hiphoplib.keras_backend import keras
from hiphoplib.models.experiment import prepare, train
from hiphoplib.models.networks import LEARNING_RATE, Augment
from hiphoplib.models.training import ClipBatches, Scaler, fit, load_run, save_run
from tests.mel_runs import stored


@pytest.fixture(scope="module")
def experiment(corpus):
    return prepare(corpus, folds=3)


@pytest.fixture(scope="module")
def run(experiment):
    """An mlp of the first fold."""
    return fit("mlp", experiment.store, experiment.labels[0], experiment.sides[0], epochs=4)


def test_it_learns_a_difference_in_level(experiment, run):
    ids = experiment.ids(0, "train")
    p = run.predict(experiment.store.batch(ids))
    assert p.shape == (len(ids),) and ((p >= 0) & (p <= 1)).all()
    assert roc_auc_score(experiment.labels[0][ids], p) > 0.95


def test_the_same_seed_gives_the_same_network_and_another_seed_another(experiment):
    some = experiment.labels[0][experiment.labels.index[:26]]

    def weights(seed):
        keras.utils.set_random_seed(99)  # what came before does not matter
        fitted = fit("cnn1", experiment.store, some, experiment.sides[0], seed=seed, epochs=1)
        return np.concatenate([w.ravel() for w in fitted.model.get_weights()])

    first, again, other = weights(0), weights(0), weights(1)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


@pytest.fixture(scope="module")
def misleading(experiment):
    """Labels that are the other way round in the validation set: what is learnt is wrong there."""
    return experiment.labels[0].where(experiment.sides[0] != "validation", 1 - experiment.labels[0])


def test_the_weights_are_those_of_the_best_epoch(experiment, misleading, monkeypatch):
    monkeypatch.setitem(LEARNING_RATE, "mlp", 1e-3)
    some = misleading
    fitted = fit("mlp", experiment.store, some, experiment.sides[0], epochs=6, patience=99)
    ranks, best = fitted.history["val_rank"], fitted.card["best_epoch"]
    assert best < 5 and ranks.iloc[-1] <= ranks[best]
    ids = experiment.ids(0, "validation")
    p = fitted.predict(experiment.store.batch(ids))
    assert spearmanr(p, some[ids]).statistic == pytest.approx(ranks[best], abs=1e-3)
    assert fitted.card["metrics"]["validation_rank"] == ranks[best]


def test_training_stops_early(experiment, misleading):
    fitted = fit("mlp", experiment.store, misleading, experiment.sides[0], epochs=60, patience=1)
    assert len(fitted.history) < 60
    assert len(fitted.history) - 1 == fitted.card["best_epoch"] + 1


def test_the_scaler_standardises_the_training_clips(experiment, run):
    scaled = run.scaler(experiment.store.batch(experiment.ids(0, "train"))).astype(float)
    np.testing.assert_allclose(scaled.mean(axis=(0, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=(0, 2)), 1, atol=1e-3)


def test_a_band_that_never_changes_is_no_division_by_zero(experiment, own_corpus):
    stored(own_corpus)[:, 3] = -42
    store = MelStore(own_corpus)
    assert np.isfinite(Scaler.fit(store, store.ids)(store.batch(store.ids))).all()


def test_the_test_set_is_not_read(experiment, corpus):
    read = set()

    class Watched(MelStore):
        def __getitem__(self, track_id):
            read.add(track_id)
            return super().__getitem__(track_id)

        def batch(self, ids):
            read.update(ids)
            return super().batch(ids)

    fit("mlp", Watched(corpus), experiment.labels[0], experiment.sides[0], epochs=1)
    assert read == set(experiment.ids(0, "train", "validation"))


def test_the_scaler_knows_the_training_clips_only(experiment, run, own_corpus):
    stored(own_corpus)[(experiment.sides[0] != "train").to_numpy()] = 0
    scaler = fit(
        "mlp", MelStore(own_corpus), experiment.labels[0], experiment.sides[0], epochs=1
    ).scaler
    np.testing.assert_array_equal(scaler.mean, run.scaler.mean)
    np.testing.assert_array_equal(scaler.std, run.scaler.std)


def test_batches_hold_every_clip_once_an_epoch_in_an_order_of_its_own(experiment):
    labels = experiment.labels[0].iloc[:21]
    scaler = Scaler(np.zeros(64), np.ones(64))
    clips = ClipBatches(experiment.store, labels, scaler, batch=4, seed=0)
    orders = []
    for epoch in (0, 1, 0):
        clips._begin(epoch)
        batches = [clips[i] for i in range(len(clips))]
        x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
        order = [
            int(np.flatnonzero((x == S_db).all(axis=(1, 2)))[0])
            for S_db in experiment.store.batch(labels.index)
        ]
        assert sorted(order) == list(range(21))
        np.testing.assert_array_equal(y[order, 0], labels)
        orders.append(order)
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]  # whatever was read in between


def test_augmented_batches_are_those_of_their_epoch_whatever_was_read_before(experiment):
    clips = ClipBatches(
        experiment.store,
        experiment.percentiles[0].iloc[:10],
        Scaler(np.zeros(64), np.ones(64)),
        4,
        0,
        Augment(mixup=1.0, masks=1),
    )
    epochs = []
    for epoch, numbers in ((0, (0, 1, 2)), (1, (0, 1, 2)), (0, (2, 1, 0))):
        clips._begin(epoch)
        read = {number: clips[number] for number in numbers}
        epochs.append([part for number in range(3) for part in read[number]])
    for first, other, again in zip(*epochs, strict=True):
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_mixup_mixes_a_label_as_its_clip():
    labels = np.linspace(0, 1, 8, dtype=np.float32)[:, None]
    clips = labels[..., None] * np.ones((8, 4, 6), np.float32)
    mixed, of = Augment(mixup=0.4)(clips, labels, np.random.default_rng(0))
    np.testing.assert_allclose(mixed, of[..., None] * np.ones((8, 4, 6)), atol=1e-6)
    assert (of != labels).sum() > 4 and of.mean() != labels.mean()
    assert len(np.unique(clips)) == 8  # what was given stays


def test_masks_hide_whole_bands_and_frames_an_eighth_of_each_at_most():
    clips = np.ones((40, 16, 80), np.float32)
    masked, labels = Augment(masks=1)(clips, np.ones((40, 1)), np.random.default_rng(0))
    bands, frames = (masked == 0).all(axis=2), (masked == 0).all(axis=1)
    np.testing.assert_array_equal(masked == 0, bands[..., None] | frames[:, None])
    assert set(bands.sum(axis=1)) == {0, 1, 2} and 5 < frames.sum(axis=1).max() <= 10
    assert (labels == 1).all() and (clips == 1).all()


def test_a_run_comes_back_from_its_folder(experiment, run, tmp_path):
    save_run(run, tmp_path)
    again, S_db = load_run(tmp_path), experiment.store.batch(experiment.store.ids)
    np.testing.assert_array_equal(again.predict(S_db), run.predict(S_db))
    assert again.card == json.loads(json.dumps(run.card))
    assert again.history["val_loss"].tolist() == pytest.approx(run.history["val_loss"].tolist())
    assert run.card["parameters"] == run.model.count_params()
    assert run.card["tracks"] == experiment.sides[0].value_counts().to_dict()


def test_a_model_of_another_grid_is_told(run):
    with pytest.raises(BadInput, match="use the grid quick"):
        run.predict(np.zeros((2, 128, 1292), np.float32))


def test_no_model_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(BadInput, match="python -m hiphoplib train"):
        load_run(tmp_path)


def cut(content):
    return content[: len(content) // 2]


def bend(content):
    middle = len(content) // 2
    return (
        content[:middle]
        + bytes(255 - b for b in content[middle : middle + 50])
        + (content[middle + 50 :])
    )


@pytest.mark.parametrize(
    "name, damage",
    [
        ("model.keras", cut),
        ("model.keras", bend),
        ("model.keras", lambda _: b""),
        ("model.keras", None),
        ("card.json", cut),
        ("card.json", lambda _: b""),
        ("card.json", lambda _: b"{}"),
        ("history.csv", None),
    ],
)
def test_a_damaged_model_is_told(trained, tmp_path, name, damage):
    folder = shutil.copytree(next(trained.glob("runs/*/mlp/seed0-fold0")), tmp_path / "run")
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    if damage:
        (folder / name).write_bytes(damage(content))
    with pytest.raises(BadInput) as error:
        load_run(folder)
    assert "train" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_side_of_one_class_is_told(experiment, side):
    labels = experiment.labels[0].where(experiment.sides[0] != side, 1)
    with pytest.raises(BadInput, match=f"the {side} set of .* has one class only"):
        fit("mlp", experiment.store, labels, experiment.sides[0], epochs=1)


# experiment: many runs


def times(folders):
    return {folder: (folder / "card.json").stat().st_mtime_ns for folder in folders}


def test_train_skips_what_stands_and_repeats_what_does_not(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "tiny")
    experiment = prepare(folder, folds=3)
    folders = train(experiment, "mlp", epochs=3)
    assert len(folders) == len(set(folders)) == 3
    before = times(folders)
    (folders[1] / "card.json").write_text('{"half": ')
    train(experiment, "mlp", epochs=3)
    changed = [path for path, when in times(folders).items() if when != before[path]]
    assert changed == folders[1:2]
    again, S_db = changed[0], experiment.store.batch(experiment.store.ids)
    np.testing.assert_array_equal(
        load_run(again).predict(S_db), load_run(trained / again.relative_to(folder)).predict(S_db)
    )


def test_a_track_is_explained_by_the_network_that_did_not_see_it(trained):
    experiment = prepare(trained, folds=3)
    for track_id in experiment.tracks["id"][:5]:
        card = load_run(experiment.run_of("mlp", track_id)).card
        assert experiment.sides.loc[track_id, card["fold"]] == "test"
    with pytest.raises(BadInput, match="'nope': no usable clip"):
        load_run(experiment.run_of("mlp", "nope"))
    with pytest.raises(BadInput, match="no trained model"):
        load_run(experiment.run_of("rnn", "0001"))


def test_a_model_that_is_not_in_the_registry_is_told(experiment):
    with pytest.raises(BadInput, match="'vgg': there is none of that name; there are mlp"):
        train(experiment, "vgg")


def test_labels_are_by_the_median_of_each_folds_training_tracks(experiment):
    for fold, threshold in zip(experiment.sides, experiment.thresholds, strict=True):
        seen = experiment.tracks["popularity"][experiment.sides[fold] == "train"]
        assert threshold == seen.median()
        assert (experiment.labels[fold] == (experiment.tracks["popularity"] >= threshold)).all()
    assert len(set(experiment.thresholds)) > 1


def test_networks_learn_percentiles_of_the_training_set(experiment, monkeypatch, own_corpus):
    learnt = {}

    def stop(name, store, labels, sides, **options):
        learnt[name] = labels
        raise BadInput("enough")

    monkeypatch.setattr("hiphoplib.models.experiment.HAS_GPU", True)  # in this process
    monkeypatch.setattr("hiphoplib.models.experiment.fit", stop)
    with pytest.raises(BadInput, match="enough"):
        train(prepare(own_corpus, folds=3), "mlp", folds=[1])
    popularity = experiment.tracks["popularity"]
    of_training = popularity[experiment.sides[1] == "train"]
    for track_id, label in learnt["mlp"].items():
        below = (of_training < popularity[track_id]).mean()
        equal = (of_training == popularity[track_id]).mean()
        assert label == pytest.approx(below + equal / 2)
