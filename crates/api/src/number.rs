use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// Up to this number, every whole number is a float.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A finite number. A whole number has no decimal point.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = f64, example = 4)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() <= MAX_WHOLE {
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}
