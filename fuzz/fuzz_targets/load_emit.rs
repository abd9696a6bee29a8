//! Reading any text: no panic; and what can be read, can be written, and reads as the same again.

#![no_main]

use alumet_injector::manifest::{emit, list, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(loaded) = load::parse_any(text) else { return };
    let written = emit::to_yaml(&loaded.value);
    let again = load::parse_any(&written).map(|loaded| loaded.value);
    assert_eq!(again.as_ref(), Ok(&loaded.value), "{written}");
    for item in list::objects(&loaded.value) {
        assert_eq!(loaded.value.pointer(&item.pointer), Some(item.object));
    }
});
