//! Any object: no panic, every plan applies, and a second plan finds nothing to do.

#![no_main]

use alumet_injector::engine::{
    self,
    facts::Facts,
    object::ObjectView,
    setup::{Fresh, Snapshot},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut object) = serde_json::from_slice::<Value>(bytes) else { return };
    let Ok(view) = ObjectView::read(&object) else { return };
    let plan = engine::plan(&view, &Facts::RENDER, &Snapshot::default(), &Fresh);
    json_patch::patch(&mut object, &plan.patch).expect("every plan applies");

    let view = ObjectView::read(&object).expect("it is still an object");
    let again = engine::plan(&view, &Facts::RENDER, &Snapshot::default(), &Fresh);
    assert!(again.patch.0.is_empty(), "{}", again.patch);

    let back = engine::unplan(&view);
    json_patch::patch(&mut object, &back.patch).expect("every plan applies");
});
