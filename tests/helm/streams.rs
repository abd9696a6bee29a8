//! The streams that `make demo` uses where no Helm is there: what Helm 3 and Helm 4 hand to a post-renderer.

use crate::{
    files::{golden, root},
    support::{Helm, Major, Renderer, Template},
};

/// Fixed, since a new credential each time would be a new file each time.
const CREDENTIALS: &[&str] = &[
    "influxdb2.adminUser.password=of-the-demo",
    "influxdb2.adminUser.token=of-the-demo",
];

#[test]
fn the_streams_of_the_demo_are_what_both_helms_render_now() {
    for (major, file) in [(Major::Three, "helm3.yaml"), (Major::Four, "helm4.yaml")] {
        let helm = Helm::new(major);
        let chart = root("chart");
        // Through a renderer that keeps what it got: Helm 4 hands over another text than it prints.
        let kept = helm.template(&Template {
            set: CREDENTIALS,
            renderer: Renderer::Keep,
            ..Template::of(&chart)
        });
        golden(&root("tests/streams").join(file), &kept.report);
    }
}
