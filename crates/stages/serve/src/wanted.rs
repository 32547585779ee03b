//! What is asked of a model: checked without it as far as that goes, and filled in by it.

use sightscan_engine::Options;
use sightscan_engine::model::Spec;
use sightscan_http::{Problem, Slug};
use sightscan_queue::Wanted;

use crate::models::Drawing;

/// Says what cannot be meant by any model.
pub(crate) fn check(wanted: &Wanted) -> Result<(), Problem> {
    share("confidence", wanted.confidence)?;
    share("iou", wanted.iou)?;
    if wanted.max == Some(0) {
        return Err(Problem::new(Slug::InvalidParameter, "`max` is 0, but must be at least 1"));
    }
    Ok(())
}

fn share(name: &str, value: Option<f32>) -> Result<(), Problem> {
    match value {
        Some(number) if !(0.0..=1.0).contains(&number) => {
            let what = format!("`{name}` is {number}, but must be between 0 and 1");
            Err(Problem::new(Slug::InvalidParameter, what))
        }
        _ => Ok(()),
    }
}

/// What holds for a model: its own thresholds where none is given.
pub(crate) fn options(wanted: &Wanted, spec: &Spec) -> Result<Options, Problem> {
    check(wanted)?;
    let usual = spec.options();
    Ok(Options {
        confidence: wanted.confidence.unwrap_or(usual.confidence),
        iou: wanted.iou.unwrap_or(usual.iou),
        agnostic: wanted.agnostic.unwrap_or(usual.agnostic),
        max: wanted.max.unwrap_or(usual.max),
        classes: wanted.classes.iter().map(|class| known(class, spec)).collect::<Result<_, _>>()?,
    })
}

fn known(class: &str, spec: &Spec) -> Result<String, Problem> {
    spec.classes.iter().find(|known| *known == class).cloned().ok_or_else(|| {
        let name = &spec.name;
        let what =
            format!("the model `{name}` has no class `{class}`; GET /v1/models/{name} lists those it has");
        Problem::new(Slug::InvalidParameter, what)
    })
}

/// The format of the drawn picture, where one is wanted.
pub(crate) fn drawing(wanted: &Wanted) -> Result<Option<Drawing>, Problem> {
    let Some(media_type) = &wanted.drawing else { return Ok(None) };
    let format = Drawing::of_media_type(media_type);
    format.map(Some).ok_or_else(|| {
        let what = format!("pictures are not drawn as `{media_type}`; ask for image/jpeg or image/png");
        Problem::new(Slug::InvalidParameter, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_shares() {
        for good in [None, Some(0.0), Some(0.5), Some(1.0)] {
            assert!(check(&Wanted { iou: good, ..Wanted::default() }).is_ok());
        }
        for bad in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            let problem = check(&Wanted { iou: Some(bad), ..Wanted::default() }).unwrap_err();
            assert!(problem.detail().contains("`iou`"), "{bad}");
        }
        assert!(check(&Wanted { max: Some(0), ..Wanted::default() }).is_err());
    }

    #[test]
    fn pictures_are_drawn_in_two_formats() {
        let of =
            |media_type: &str| drawing(&Wanted { drawing: Some(media_type.into()), ..Wanted::default() });
        assert_eq!(of("image/png").unwrap(), Some(Drawing::Png));
        assert!(of("image/webp").is_err());
    }
}
