"""Writes testdata/scipy.txt: inputs with the answers of SciPy (and of `diptest` for Hartigan's dip).

    python3 -m venv venv && venv/bin/pip install scipy diptest && venv/bin/python shared/stats/goldens.py

One line a case: `question | numbers | numbers | answers`; numbers are printed so that they read back exactly.
"""

import pathlib

import diptest
import numpy
import scipy
from scipy import stats
from scipy.stats import _mstats_basic

random = numpy.random.default_rng(20240607)


def samples():
    """Pairs of samples: sizes, spreads, ties, skew and near-equality that the code must agree on."""
    for pair in raw_samples():
        yield tuple(numpy.array([float(f"{value:.9g}") for value in values]) for values in pair)


def raw_samples():
    def draw(n, location, scale):
        return random.normal(location, scale, n)

    yield draw(5, 10, 1), draw(6, 11, 2)
    yield draw(8, 10, 1), draw(40, 10.3, 1)
    yield draw(30, 100, 5), draw(25, 104, 9)
    yield draw(90, 1e-3, 1e-5), draw(70, 1.001e-3, 3e-5)
    yield random.lognormal(3, 0.4, 60), random.lognormal(3.1, 0.6, 45)
    yield draw(12, 50, 1), draw(12, 80, 1)
    yield numpy.round(draw(40, 20, 2)), numpy.round(draw(35, 21, 2))
    yield numpy.array([3.0, 3, 3, 3, 4, 4, 5, 9]), numpy.array([3.0, 4, 4, 5, 5, 6, 6, 7])
    yield draw(9, 1e6, 10), draw(100, 1e6, 30)


def line(question, first, second, answers):
    fields = [" ".join(repr(float(number)) for number in numbers) for numbers in (first, second, answers)]
    return " | ".join([question, *fields])


def median_error(values):
    return float(_mstats_basic.stde_median(values))


def t_interval(estimate, errors, sizes, level):
    variances = [error**2 for error in errors]
    freedom = sum(variances) ** 2 / sum(v**2 / (n - 1) for v, n in zip(variances, sizes))
    low, high = stats.t.interval(level, freedom, estimate, sum(variances) ** 0.5)
    return [estimate, low, high]


def cases():
    for a, b in samples():
        quartiles = numpy.quantile(a, [0, 0.25, 0.5, 0.75, 1])
        deviation = stats.median_abs_deviation(a)
        yield line("summary", a, [], [*quartiles, deviation, a.mean(), a.std(ddof=1)])
        welch = stats.ttest_ind(b, a, equal_var=False)
        yield line("welch", a, b, [welch.statistic, welch.df, welch.pvalue])
        one = stats.ttest_1samp(a - numpy.median(b), 0)
        yield line("student", a - numpy.median(b), [], [one.statistic, one.pvalue])
        ranks = stats.mannwhitneyu(b, a)
        yield line("mann_whitney", a, b, [ranks.statistic, ranks.pvalue])
        yield line("mean", a, [0.9], stats.t.interval(0.9, len(a) - 1, a.mean(), stats.sem(a)))
        yield line("mean_difference", a, b, welch.confidence_interval(0.95))
        order = numpy.arange(len(a))
        tau = stats.kendalltau(order, a, method="asymptotic", variant="b")
        yield line("mann_kendall", a, [], [tau.pvalue])
        slope = stats.theilslopes(a, order, 0.9)
        yield line("theil_sen", a, [0.9], [slope.slope, slope.low_slope, slope.high_slope])
        if len(a) < 7 or len(b) < 7:
            continue
        sizes = len(a), len(b)
        freedom = len(a) - 1
        yield line("median", a, [0.95], stats.t.interval(0.95, freedom, numpy.median(a), median_error(a)))
        difference = numpy.median(b) - numpy.median(a)
        yield line("median_difference", a, b, t_interval(difference, (median_error(a), median_error(b)), sizes, 0.95))
        errors = median_error(numpy.log(a)), median_error(numpy.log(b))
        ratio = numpy.log(numpy.median(b) / numpy.median(a))
        yield line("median_ratio", a, b, numpy.exp(t_interval(ratio, errors, sizes, 0.95)))
        if len(a) >= 20:
            yield line("dip", a, [], [diptest.dipstat(a)])
    clusters = numpy.concatenate([random.normal(0, 1, 30), random.normal(6, 1, 50)])
    yield line("dip", clusters, [], [diptest.dipstat(clusters)])
    uniform = random.uniform(0, 1, 120)
    yield line("dip", uniform, [], [diptest.dipstat(uniform)])
    for size in (1, 4, 15):
        p_values = random.uniform(0, 1, size) ** 3
        yield line("benjamini_hochberg", p_values, [], stats.false_discovery_control(p_values))
    for spread, n, alpha, power in [(1, 20, 0.05, 0.8), (0.03, 5, 0.01, 0.9), (7, 400, 0.001, 0.95), (1, 2, 0.05, 0.8)]:
        freedom = 2 * n - 2
        quantiles = stats.t.ppf(1 - alpha / 2, freedom) + stats.t.ppf(power, freedom)
        yield line("detectable", [spread, n, alpha, power], [], [quantiles * spread * (2 / n) ** 0.5])


header = f"# SciPy {scipy.__version__}, NumPy {numpy.__version__}, made by shared/stats/goldens.py; do not edit."
path = pathlib.Path(__file__).parent / "testdata" / "scipy.txt"
path.write_text("\n".join([header, *cases()]) + "\n")
