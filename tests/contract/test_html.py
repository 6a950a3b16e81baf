"""HTML representation, alone and in a pipeline, before and after `fit`."""

import re
from html.parser import HTMLParser

import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT
from tests._estimators import public_estimators

VOID = {"area", "br", "hr", "img", "input", "link", "meta", "path", "use"}


class Balance(HTMLParser):
    """Collects text and links, and notices tags that are not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.unbalanced = [], [], [], False

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and self.open.pop() != tag:
            self.unbalanced = True

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    page = Balance()
    page.feed(html)
    return page


def fitted(estimator, magnitudes, speech):
    X, Y = speech if isinstance(estimator, STFT) else magnitudes
    return clone(estimator).fit(X, Y)


each_estimator = pytest.mark.parametrize(
    "estimator", public_estimators(), ids=lambda e: type(e).__name__
)


@each_estimator
def test_alone(estimator, magnitudes, speech):
    for model in (estimator, fitted(estimator, magnitudes, speech)):
        page = read(model._repr_html_())
        assert not page.open and not page.unbalanced
        assert type(model).__name__ in "".join(page.text)
        assert not [link for link in page.links if "scikit-learn.org" in link]


@each_estimator
def test_says_whether_it_is_fitted(estimator, magnitudes, speech):
    if estimator.__sklearn_tags__().requires_fit:
        assert "<span>Not fitted</span>" in estimator._repr_html_()
    model = fitted(estimator, magnitudes, speech)
    assert "<span>Fitted</span>" in model._repr_html_()


@pytest.mark.parametrize("fit", [False, True])
def test_in_a_pipeline(speech, fit):
    last = [e for e in public_estimators() if hasattr(e, "predict")]
    for separator in last:
        pipe = make_pipeline(STFT(), clone(separator))
        page = read((pipe.fit(*speech) if fit else pipe)._repr_html_())
        for step in pipe:
            assert type(step).__name__ in "".join(page.text)
        ours = [x for x in page.links if re.search("sknmf|STFT|NMF", x)]
        assert not ours and any("Pipeline.html" in link for link in page.links)
