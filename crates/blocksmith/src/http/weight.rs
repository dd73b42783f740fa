//! How much a client wants an alternative: the `q` of `Accept` and `Accept-Encoding`.

/// The weight, in thousandths, among the parameters of an alternative; 1 if there is no weight. Returns
/// `None` if it is no number.
pub(super) fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    let weight =
        parameters.find_map(|part| part.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('='));
    let weight: f32 = weight.map_or(Some(1.0), |weight| weight.trim().parse().ok())?;
    Some((weight.clamp(0.0, 1.0) * 1000.0) as u16)
}
