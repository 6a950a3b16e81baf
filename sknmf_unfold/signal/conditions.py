"""Recording conditions as pure functions: equalisers, band limits, rumble, hiss and rooms.

`MixtureDataset` applies them to its mixtures. All random numbers come from the generator that is
passed.
"""

from __future__ import annotations

import numpy as np

# Corner or centre frequencies in Hz of the random equaliser, between which they are drawn.
LOW_SHELF_HZ = (80, 500)
PEAK_HZ = (300, 4000)
HIGH_SHELF_HZ = (1500, 6000)
# No frequency of an equaliser is above this share of the sampling rate.
MAX_SHARE_OF_RATE = 0.4
# Shelves of this quality are monotone, and the peak is about two octaves wide.
SHELF_QUALITY, PEAK_QUALITY = 2**-0.5, 0.7
# Elliptic band limits: order, ripple in the band and attenuation outside, in dB.
BAND_ORDER, BAND_RIPPLE_DB, BAND_STOP_DB = 8, 0.1, 60
# Rumble has a power of 1/f from the first to the second frequency in Hz, above which it falls by
# 24 dB an octave up to the third.
RUMBLE_HZ = (8, 80, 320)
# Largest first-order coefficient of the colour of hiss: its ends differ by at most 9.5 dB.
MAX_HISS_TILT = 0.5
# Reflections up to this time after the direct sound belong to the target.
EARLY_SECONDS = 0.05


def random_equalizer(
    max_gain_db: float, sample_rate: int, rng: np.random.RandomState
) -> np.ndarray:
    """Draw a gentle equaliser: a low shelf, a broad peak and a high shelf.

    Random spectral envelopes make models independent of the microphone [1]_; these are products of
    second-order sections, the bilinear transforms of analogue ones [2]_.

    Parameters
    ----------
    max_gain_db : float
        Bound of the gain at any frequency, in dB. The gains of the three filters are drawn from
        +-`max_gain_db` and, if their absolute values add up to more, scaled so that they do not.
    sample_rate : int
        Sampling rate in Hz, 1000 or more.
    rng : numpy.random.RandomState

    Returns
    -------
    sos : ndarray of shape (3, 6), float64
        Second-order sections, as those of `scipy.signal.sosfilt`.

    References
    ----------
    .. [1] Valin, "A hybrid DSP/deep learning approach to real-time full-band speech enhancement",
       MMSP 2018.
    .. [2] Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients",
       W3C Working Group Note, 2021.

    Examples
    --------
    >>> random_equalizer(6.0, 16000, np.random.RandomState(0)).shape
    (3, 6)
    """
    ranges = np.log([LOW_SHELF_HZ, PEAK_HZ, HIGH_SHELF_HZ])
    hertz = np.exp(rng.uniform(ranges[:, 0], ranges[:, 1]))
    gains = rng.uniform(-max_gain_db, max_gain_db, 3)
    gains *= max_gain_db / max(max_gain_db, np.abs(gains).sum())
    angles = 2 * np.pi * np.minimum(hertz / sample_rate, MAX_SHARE_OF_RATE)
    low, peak, high = zip(angles, gains, strict=True)
    return np.array([_shelf(*low, sign=1), _peak(*peak), _shelf(*high, sign=-1)])


def _peak(angle: float, gain_db: float) -> np.ndarray:
    """Compute a peaking section; `angle` is its centre in radians a sample."""
    amplitude = 10 ** (gain_db / 40)
    alpha = np.sin(angle) / (2 * PEAK_QUALITY)
    b = [1 + alpha * amplitude, -2 * np.cos(angle), 1 - alpha * amplitude]
    a = [1 + alpha / amplitude, -2 * np.cos(angle), 1 - alpha / amplitude]
    return np.array([*b, *a]) / a[0]


def _shelf(angle: float, gain_db: float, sign: int) -> np.ndarray:
    """Compute a shelf below (`sign` = 1) or above (-1) a frequency."""
    amplitude = 10 ** (gain_db / 40)
    # A high shelf is a low one with z replaced by -z.
    cosine = sign * np.cos(angle)
    slope = np.sqrt(amplitude) * np.sin(angle) / SHELF_QUALITY
    plus, minus = amplitude + 1, amplitude - 1
    b = [
        amplitude * (plus - minus * cosine + slope),
        2 * sign * amplitude * (minus - plus * cosine),
        amplitude * (plus - minus * cosine - slope),
    ]
    a = [plus + minus * cosine + slope, -2 * sign * (minus + plus * cosine)]
    a += [plus + minus * cosine - slope]
    return np.array([*b, *a]) / a[0]


def design_band_limit(band: tuple[float | None, float], sample_rate: int) -> np.ndarray:
    """Design an elliptic filter for a band.

    Parameters
    ----------
    band : tuple (low, high) of float
        Edges in Hz, below half the sampling rate; without a lower edge, None, it is a low-pass.
    sample_rate : int
        Sampling rate in Hz.

    Returns
    -------
    sos : ndarray of shape (n_sections, 6), float64
        A ripple of 0.1 dB in the band, and 60 dB of attenuation outside.

    Examples
    --------
    >>> design_band_limit((300, 3400), 16000).shape
    (8, 6)
    """
    # scipy.signal takes longer to import than all of this package.
    from scipy.signal import ellip

    shape = BAND_ORDER, BAND_RIPPLE_DB, BAND_STOP_DB
    if band[0] is None:
        return ellip(*shape, band[1], "lowpass", fs=sample_rate, output="sos")
    return ellip(*shape, band, "bandpass", fs=sample_rate, output="sos")


def apply_sections(waveforms: np.ndarray, sos: np.ndarray) -> np.ndarray:
    """Filter waveforms by second-order sections, from silence.

    Parameters
    ----------
    waveforms : ndarray of shape (..., n_times), float32 or float64
    sos : ndarray of shape (n_sections, 6)

    Returns
    -------
    filtered : ndarray of shape (..., n_times)
        Computed in float64 and of the dtype of the waveforms.

    Examples
    --------
    >>> apply_sections(np.ones(3), np.array([[0.5, 0, 0, 1, 0, 0]]))
    array([0.5, 0.5, 0.5])
    """
    from scipy.signal import sosfilt

    return sosfilt(sos, waveforms, axis=-1).astype(waveforms.dtype, copy=False)


def rumble(n_times: int, sample_rate: int, rng: np.random.RandomState) -> np.ndarray:
    """Generate low-frequency noise, as of traffic, ventilation and handling.

    Parameters
    ----------
    n_times : int
        Length in samples.
    sample_rate : int
        Sampling rate in Hz, 1000 or more.
    rng : numpy.random.RandomState

    Returns
    -------
    noise : ndarray of shape (n_times,), float32
        Gaussian, with a power of 1/f from 8 to 80 Hz, of arbitrary level.

    Examples
    --------
    >>> rumble(100, 16000, np.random.RandomState(0)).shape
    (100,)
    """
    from scipy.fft import irfft, next_fast_len

    # In less than a second there would be few frequencies.
    n_fft = next_fast_len(max(n_times, sample_rate), real=True)
    lowest, corner, highest = RUMBLE_HZ
    bins = np.arange(-(-lowest * n_fft // sample_rate), highest * n_fft // sample_rate + 1)
    hertz = bins * sample_rate / n_fft
    amplitudes = hertz**-0.5 / np.sqrt(1 + (hertz / corner) ** 8)
    real, imaginary = rng.standard_normal((2, len(bins))) * amplitudes
    spectrum = np.zeros(n_fft // 2 + 1, dtype=np.complex64)
    spectrum[bins] = np.sqrt(n_fft) * (real + 1j * imaginary)
    return irfft(spectrum, n_fft)[:n_times]


def hiss(n_times: int, rng: np.random.RandomState) -> np.ndarray:
    """Generate noise as of a microphone and its amplifier: white or gently coloured.

    Parameters
    ----------
    n_times : int
        Length in samples.
    rng : numpy.random.RandomState

    Returns
    -------
    noise : ndarray of shape (n_times,), float64
        Gaussian. Its spectrum rises or falls with frequency by at most 9.5 dB; of arbitrary level.

    Examples
    --------
    >>> hiss(100, np.random.RandomState(0)).shape
    (100,)
    """
    tilt = rng.uniform(-MAX_HISS_TILT, MAX_HISS_TILT)
    noise = rng.standard_normal(n_times + 1)
    return noise[1:] - tilt * noise[:-1]


def split_response(response: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    """Split the impulse response of a room into early and late part, normalised.

    The direct sound is the largest absolute value. The early part has all until 50 ms after it.

    Parameters
    ----------
    response : ndarray of shape (n_taps,)
        Not silent.
    sample_rate : int
        Sampling rate in Hz.

    Returns
    -------
    parts : ndarray of shape (2, n_taps)
        Early and late part, which add up to the response, scaled so that the energy of the early
        part is 1: white noise keeps its level. (1, n_taps) if there is no late part.
    direct : int
        Delay of the direct sound in samples.

    Examples
    --------
    >>> parts, direct = split_response(np.array([0.0, 2.0] + [0.0] * 60 + [1.0]), 1000)
    >>> parts.shape, direct, float(parts[0, 1]), float(parts[1, -1])
    ((2, 63), 1, 1.0, 0.5)
    """
    direct = int(np.abs(response).argmax())
    stop = direct + round(EARLY_SECONDS * sample_rate) + 1
    parts = np.zeros((2, len(response)), dtype=response.dtype)
    parts[0, :stop], parts[1, stop:] = response[:stop], response[stop:]
    # Relative to the peak, as squares of tiny values are 0.
    parts /= np.abs(response[direct])
    parts /= response.dtype.type(np.sqrt(np.sum(np.square(parts[0], dtype=np.float64))))
    return parts[: 1 + bool(parts[1].any())], direct


def reverberate(waveform: np.ndarray, responses: np.ndarray, direct: int) -> np.ndarray:
    """Convolve a waveform with impulse responses and remove the delay of the direct sound.

    Parameters
    ----------
    waveform : ndarray of shape (n_times,), float32 or float64
    responses : ndarray of shape (n_responses, n_taps)
        As `split_response` returns them.
    direct : int
        Delay of the direct sound in samples.

    Returns
    -------
    reverberant : ndarray of shape (n_responses, n_times)
        Of the dtype of the waveform.

    Examples
    --------
    >>> reverberate(np.array([1.0, 0.0, 0.0]), np.array([[0.0, 1.0, 0.5]]), 1).round(6)
    array([[1. , 0.5, 0. ]])
    """
    from scipy.signal import oaconvolve

    responses = responses.astype(waveform.dtype, copy=False)
    full = oaconvolve(waveform[np.newaxis], responses, axes=1)
    return full[:, direct : direct + len(waveform)]
