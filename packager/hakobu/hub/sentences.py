"""Sentences that other parts of hakobu write in English, so that the hub's pages can say them in another language.

A tally, a verdict or an event says them as they are; `Words.told` finds the one that fits and takes its parts over.
"""


def spoken(text: str) -> str:
    """Return `text`, which is so marked for the catalogue: it is translated where it is shown."""
    return text


SENTENCES = (
    # hub.judged, of which the rest is a Finding's
    spoken("%(told)s (without %(number)s odd device)"),
    spoken("%(told)s (without %(number)s odd devices)"),
    spoken("%(told)s; in %(shown)s of %(all)s groups: %(names)s and %(number)s more"),
    spoken("%(told)s; in %(shown)s of %(all)s groups: %(names)s"),
    # fleet.odd.Oddity.words
    spoken("%(share)s of its values of %(name)s %(place)s, of the other devices' %(others)s: %(why)s"),
    spoken("they do not reach the device"),
    spoken("they are written in another way there"),
    spoken("another unit, other codes, or a broken sensor"),
    spoken("a sensor that stands still, or a site of its own kind"),
    spoken("a sensor that is off, or a site of its own kind"),
    spoken("are of no category that training knows well"),
    spoken("are no numbers"),
    spoken("lie in one bin, %(bin)s"),
    # format.drift.Finding.words
    spoken("%(name)s has drifted: %(live)s of rows %(place)s, in training %(reference)s"),
    spoken("%(name)s is drifting: %(live)s of rows %(place)s, in training %(reference)s"),
    spoken(
        "%(name)s cannot be judged yet: %(rows)s rows are too few, though %(live)s of rows %(place)s, "
        "in training %(reference)s"
    ),
    spoken("%(name)s cannot be judged yet: %(rows)s rows are too few"),
    spoken(
        "%(name)s differs no more than a %(span)s in training did: %(live)s of rows %(place)s, "
        "in training %(reference)s"
    ),
    spoken("%(name)s is as in training"),
    spoken("under 0.1 %"),
    spoken("over 99.9 %"),
    # format.concept.Standing.words
    spoken("%(name)s cannot be judged yet: %(rows)s labels are too few; so far %(told)s"),
    spoken("%(name)s is as on the hold-out: %(told)s"),
    spoken("%(name)s has become worse: %(told)s; %(why)s"),
    spoken("%(name)s was worse, though by little, or by no more than days differ: %(told)s"),
    spoken("%(value)s (%(low)s to %(high)s) on %(rows)s rows, %(holdout)s on the hold-out"),
    spoken("its inputs have drifted too, so train it on newer rows"),
    spoken(
        "its inputs look as in training, so what they mean has changed (concept drift): train it on newer rows",
    ),
    spoken("accuracy"),
    spoken("the area under the ROC curve"),
    spoken("the mean error"),
    # hub.web.login.ForbiddenError
    spoken("%(name)s may look, but not change anything: ask an operator of the hub"),
    spoken("this form is no longer valid: go back, load the page again, and send it once more"),
    # spans
    spoken("day"),
    spoken("week"),
    spoken("month"),
    # places of rows, as a Finding ends with
    spoken("are missing"),
    spoken("are of another category"),
    spoken("hold no number"),
    spoken("are below %(edge)s"),
    spoken("are above %(edge)s"),
    spoken("are %(edge)s or more"),
    spoken("are from %(low)s to below %(high)s"),
    spoken("are %(value)s"),
    # names of slots
    spoken("missing"),
    spoken("not a value"),
    spoken("other"),
    spoken("below %(edge)s"),
    spoken("above %(edge)s"),
    spoken("%(edge)s or more"),
    spoken("%(low)s to %(high)s"),
    # outputs
    spoken("(label)"),
    spoken("(score)"),
    # metrics
    spoken("roc_auc"),
    spoken("mean_absolute_error"),
    # limits.breach.Rule
    spoken("below range"),
    spoken("above range"),
    spoken("unknown category"),
    spoken("too short"),
    spoken("too long"),
    spoken("not a number"),
    spoken("not finite"),
    spoken("not a whole number"),
    spoken("not true or false"),
    spoken("not a date"),
    spoken("unreadable row"),
    spoken("no number from the model"),
    # device.events.Kind
    spoken("installed"),
    spoken("proven"),
    spoken("rolled back"),
    spoken("failed"),
    spoken("refused"),
    spoken("revoked"),
    # validation.Outcome
    spoken("passed"),
    spoken("not judged"),
)
"""Tried in this order, those without places before all others: of two that fit, the narrower stands first."""

NAMES = (
    # hub.pages.standings.Trouble
    spoken("blocked"),
    spoken("silent"),
    spoken("barred"),
    spoken("rolled back"),
    spoken("held back"),
    spoken("cut off"),
    spoken("behind"),
    # hub.refusals.Kind, and the kinds of hub.web
    spoken("malformed"),
    spoken("too-large"),
    spoken("forged"),
    spoken("unknown-device"),
    spoken("unknown-bundle"),
    spoken("other-bins"),
    spoken("future"),
    spoken("impossible-counts"),
    spoken("serial-reused"),
    spoken("too-old"),
    spoken("invitation"),
    spoken("slow"),
    spoken("busy"),
    spoken("too-many"),
    spoken("unavailable"),
)
"""Words that are shown by their value, as they are."""
