//! Small built-in models of every shape that a configuration can ask for. Tests inside the library and outside of it use them;
//! what they are made of is named by whoever includes this file.

use super::{Activation, Family, Model, Normalization, Pooling, Preset, model};

/// Every family, activation, pooling and cut, with its name.
pub(crate) fn models() -> Vec<(String, Model)> {
    let tiny = || model(Preset::Tiny).unwrap();
    let mut models = Vec::new();
    for (family, padding, types, buckets) in [
        (Family::Bert, 0, 2, 0),
        (Family::Roberta, 1, 1, 0),
        (Family::DistilBert, 0, 0, 0),
        (Family::Mpnet, 1, 0, 32),
    ] {
        let mut model = tiny();
        let shape = &mut model.architecture;
        (shape.family, shape.padding, shape.types, shape.relative_buckets) =
            (family, padding, types, buckets);
        model.slug = format!("{family:?}");
        models.push((model.slug.clone(), model));
    }
    for activation in [Activation::GeluTanh, Activation::Relu, Activation::Silu] {
        let mut model = tiny();
        model.architecture.activation = activation;
        models.push((format!("{activation:?}"), model));
    }
    for pooling in [Pooling::Cls, Pooling::Max, Pooling::MeanSqrt] {
        let mut model = tiny();
        (model.pooling, model.normalization) = (pooling, Normalization::None);
        models.push((format!("{pooling:?}"), model));
    }
    let cut = std::num::NonZeroUsize::new(32).unwrap();
    models.push(("cut".to_owned(), tiny().truncated(cut).unwrap()));
    models
}
