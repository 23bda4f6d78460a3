//! The cloud and the type of instance, where the firmware or a file of cloud-init tells. Nothing asks the network.

use super::findings::Fact;
use super::root::Root;

/// Provider and type.
#[derive(Debug, Default)]
pub(super) struct Cloud {
    pub(super) provider: Option<Fact<String>>,
    pub(super) instance_type: Option<Fact<String>>,
}

/// What the firmware must say for each provider: a word in the maker's name, the product's, or the chassis' tag.
static PROVIDERS: &[(&str, &str)] = &[
    ("Amazon EC2", "aws"),
    ("Google Compute Engine", "gcp"),
    ("7783-7084-3265-9085-8269-3286-77", "azure"),
    ("Alibaba Cloud", "alibaba"),
    ("OracleCloud", "oracle"),
    ("DigitalOcean", "digitalocean"),
    ("Hetzner", "hetzner"),
    ("Tencent Cloud", "tencent"),
    ("HUAWEICLOUD", "huawei"),
    ("Huawei Cloud", "huawei"),
    ("IBM:Cloud Compute", "ibm"),
    ("Vultr", "vultr"),
    ("Linode", "linode"),
    ("Akamai", "linode"),
    ("Scaleway", "scaleway"),
    ("UpCloud", "upcloud"),
    ("Exoscale", "exoscale"),
    ("OVHcloud", "ovh"),
    ("OpenStack", "openstack"),
];

/// The file of cloud-init that everybody may read.
pub(super) const INSTANCE_DATA: &str = "run/cloud-init/instance-data.json";

/// Reads provider and type.
pub(super) fn read(root: &Root) -> Cloud {
    let field = |name: &str| root.text(&format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    let fields =
        ["sys_vendor", "product_name", "chassis_asset_tag", "bios_vendor", "chassis_vendor"].map(field);
    let named = PROVIDERS.iter().find(|(word, _)| fields.iter().any(|text| text.contains(word)));
    let told = instance_data(root);
    let provider = named
        .map(|(_, name)| Fact::reported((*name).to_owned(), "dmi"))
        .or_else(|| told.0.map(|name| Fact::reported(name, "cloud-init")));
    // Amazon and Alibaba give the type as the product's name; a product that only repeats the maker is none.
    let product = fields[1].trim();
    let by_product = match named {
        Some((_, "aws" | "alibaba")) if product.contains(['.', '-']) && !product.contains(' ') => {
            Some(Fact::reported(product.to_owned(), "dmi"))
        }
        _ => None,
    };
    Cloud {
        provider,
        instance_type: by_product.or_else(|| told.1.map(|kind| Fact::reported(kind, "cloud-init"))),
    }
}

/// Provider and type by cloud-init.
fn instance_data(root: &Root) -> (Option<String>, Option<String>) {
    let parsed =
        root.text(INSTANCE_DATA).and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let Some(data) = parsed else { return (None, None) };
    let text = |pointer: &str| {
        let value = data.pointer(pointer)?.as_str()?.trim();
        (!value.is_empty() && value != "unknown")
            .then(|| value.rsplit('/').next().unwrap_or(value).to_owned())
    };
    (text("/v1/cloud_name"), TYPES.iter().find_map(|pointer| text(pointer)))
}

/// Where the data sources put the type.
static TYPES: [&str; 6] = [
    "/ds/meta_data/instance-type",
    "/ds/meta_data/instance_type",
    "/ds/meta_data/machine-type",
    "/ds/meta_data/imds/compute/vmSize",
    "/ds/dynamic/instance-identity/document/instanceType",
    "/ds/meta_data/instance/instance-type",
];

/// The file with nothing in it but what [`read`] looks at: the rest names hosts, networks and keys.
pub(super) fn without_private_facts(bytes: &[u8]) -> Vec<u8> {
    let Ok(data) = serde_json::from_slice::<serde_json::Value>(bytes) else { return Vec::new() };
    let mut kept = serde_json::Value::Object(serde_json::Map::new());
    for pointer in TYPES.iter().chain(&["/v1/cloud_name"]) {
        let Some(value) = data.pointer(pointer).filter(|value| value.is_string()) else { continue };
        let mut at = &mut kept;
        for name in pointer.split('/').skip(1) {
            if !at.is_object() {
                *at = serde_json::Value::Object(serde_json::Map::new());
            }
            at = &mut at[name];
        }
        // A machine type may stand behind the path of a project.
        let text = value.as_str().unwrap_or_default();
        *at = serde_json::Value::String(text.rsplit('/').next().unwrap_or(text).to_owned());
    }
    serde_json::to_vec(&kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_provider_and_type_are_kept_of_the_instance_data() {
        let data = br#"{"v1": {"cloud_name": "gce", "local_hostname": "secret"},
            "ds": {"meta_data": {"machine-type": "projects/77/machineTypes/n2-standard-4", "mac": "02:00:00:00:00:01"}}}"#;
        let kept = String::from_utf8(without_private_facts(data)).unwrap();
        assert!(kept.contains("gce") && kept.contains("n2-standard-4"));
        assert!(!["secret", "02:00", "projects"].iter().any(|private| kept.contains(private)), "{kept}");
        assert!(without_private_facts(b"no json").is_empty());
    }
}
