use super::proto;
use crate::error::{Error, Result};
use std::path::{Component, Path};

/// Whether there are weights outside the file. They must lie in its folder; otherwise a model could make the host read any
/// file.
pub(super) fn check_external_data(model_path: &Path, model: &proto::Model) -> Result<bool> {
    let folder = model_path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut any = false;
    let mut verdict = Ok(());
    proto::for_each_tensor(model, &mut |tensor| {
        for entry in tensor.external_data.iter().filter(|entry| entry.key == "location") {
            any = true;
            let location = Path::new(&entry.value);
            let plain = location.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            // The file must be there: a link inside the folder could point out of it, and ONNX Runtime takes a certain path
            // that does not exist for an address in memory.
            let inside = plain
                && matches!(
                    (folder.canonicalize(), folder.join(location).canonicalize()),
                    (Ok(folder), Ok(file)) if file.starts_with(&folder) && file.is_file()
                );
            if !inside && verdict.is_ok() {
                verdict = Err(Error::model_invalid(format!(
                    "tensor {:?} keeps its external data at {:?}: that is no file inside the model's folder",
                    tensor.name, entry.value
                ))
                .with_tensor(&tensor.name));
            }
        }
    });
    verdict.map(|()| any)
}
