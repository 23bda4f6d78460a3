//! The table of libraries, and what is locked.

use super::*;

#[test]
fn names_are_one_word_and_stand_once() {
    let mut names: Vec<&str> = PEERS.iter().map(|row| row.name).collect();
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_alphanumeric())));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(open("nothing").is_err());
}

#[cfg(target_env = "gnu")]
#[test]
fn the_c_library_copies_and_fills() {
    let libc = open("libc").unwrap();
    let identity = libc.identity();
    assert!(identity.version.starts_with(|c: char| c.is_ascii_digit()), "{identity:?}");
    assert!(identity.path.unwrap().is_absolute());
    let (from, mut to) = ((0..99).collect::<Vec<u8>>(), vec![7; 99]);
    libc.copy().unwrap()(&from, &mut to);
    assert_eq!(from, to);
    libc.fill().unwrap()(3, &mut to);
    assert!(to.iter().all(|&byte| byte == 3));
    let extents = Extents { m: 2, k: 2, n: 2 };
    let why = libc.float_product(extents, Weights::EachCall).map(drop).unwrap_err().to_string();
    assert!(why.contains("offers no"), "{why}");
}

#[test]
#[should_panic(expected = "the slices are not of 2x2x2")]
fn a_product_over_slices_of_another_size_never_reaches_the_library() {
    Extents { m: 2, k: 2, n: 2 }.hold(&[0_u8; 4], &[0_u8; 4], &[0_i32; 3]);
}

#[cfg(feature = "peers")]
#[test]
fn the_crates_are_of_the_versions_that_they_say_and_multiply() {
    let lock = include_str!("../../Cargo.lock");
    for (name, version) in
        [("gemm", gemm::VERSION), ("matrixmultiply", matrixmultiply::VERSION), ("faer", faer::VERSION)]
    {
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name}");
        let mut c = [f32::NAN; 4];
        let peer = open(name).unwrap();
        let extents = Extents { m: 2, k: 3, n: 2 };
        assert!(peer.float_product(extents, Weights::PackedOnce(&[0.0; 6])).is_err(), "{name}");
        peer.float_product(extents, Weights::EachCall).unwrap()(
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0],
            &mut c,
        );
        assert_eq!(c, [4.0, 5.0, 10.0, 11.0], "{name}");
    }
}

#[cfg(all(feature = "engine-candle", feature = "engine-rten"))]
#[test]
fn engines_are_of_the_versions_that_they_say() {
    let lock = include_str!("../../Cargo.lock");
    for (name, version) in [("candle-transformers", candle::VERSION), ("rten", rten::VERSION)] {
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name}");
    }
}
