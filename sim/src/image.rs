//! A real data directory as what a simulated disk holds when a run begins: the state of a live system, rehearsed.
//!
//! The directory is that of a stopped broker. It stays as it is: its files are the base of the simulated ones, and what is written
//! goes into pages above them. What it holds is read first, by a broker that starts from it in a world in which nothing goes
//! wrong; whatever happens in a run, all of it must be there in the end, but for what retention takes from the front of a log.
//!
//! Virtual time begins where the directory's ends, so that its records are as old as they are. Loads work on topics of
//! their own, since a record that they read must be one that they know.

use crate::failure::Failure;
use crate::ledger::View;
use crate::platter::Base;
use crate::scenario::{BadInput, Scenario};
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a reader found in topics that nobody in the run writes to, by name and partition.
pub type Held = BTreeMap<(String, i32), View>;

/// A data directory.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its directories, by path below it; each before those within.
    pub dirs: Vec<String>,
    /// Its files.
    pub files: Vec<(String, Arc<dyn Base>)>,
    /// What a clock that is right shows when a run begins, ms since 1970.
    pub wall_ms: i64,
    /// What it holds.
    pub held: Held,
}

impl Image {
    /// Reads what a data directory holds; what is wrong if a broker does not start from it.
    pub fn survey(
        dirs: Vec<String>,
        files: Vec<(String, Arc<dyn Base>)>,
        wall_ms: i64,
    ) -> Result<Image, Failure> {
        let image = Image { dirs, files, wall_ms, held: Held::new() };
        let calm = Scenario::parse("survey", "title = \"nothing goes wrong\"").expect("a scenario");
        let calm = calm.beginning_with(Arc::new(image.clone()));
        let mut world = World::new(0, Arc::new(calm));
        world.recover()?;
        let held = world.held()?;
        Ok(Image { held, ..image })
    }

    /// Bytes of the files below a directory.
    pub fn bytes_below(&self, dir: &str) -> u64 {
        let below = |path: &str| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
        self.files.iter().filter(|(path, _)| below(path)).map(|(_, base)| base.len()).sum()
    }
}

impl Scenario {
    /// The same on an image, from which its first broker starts.
    pub fn on(self, image: Arc<Image>) -> Result<Scenario, BadInput> {
        let its_own = |name: &str| {
            self.topics.iter().any(|(topic, _)| topic == name)
                || ["shared-", "again-"].iter().any(|prefix| name.starts_with(prefix))
        };
        if let Some((name, _)) = image.held.keys().find(|(name, _)| its_own(name)) {
            let what = format!(
                "expected topics that the data directory does not have, it has {name}; give those of the scenario other \
                 names (topic = {{ name = ... }}; shared-* and again-* are names of loads)"
            );
            return Err(BadInput { file: self.file, line: 1, what });
        }
        Ok(self.beginning_with(image))
    }

    /// Its sizes are those of this world and may be a hundredth of the image's. A ring must be able to turn whichever file is
    /// written to, so that new files are no smaller than a broker's could be whose configuration has changed.
    fn beginning_with(mut self, image: Arc<Image>) -> Scenario {
        let journal = image.files.iter().filter(|(path, _)| path.starts_with("journal/"));
        let largest = journal.map(|(_, base)| base.len()).max().unwrap_or(0);
        self.storage.journal.file_bytes = self.storage.journal.file_bytes.max(largest / 4);
        self.image = Some(image);
        self
    }
}
