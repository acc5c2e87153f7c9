//! The tree of categories, as data: two levels; a product stands in a leaf (spec: business §3.4.1).
//!
//! The source has a tree of its own and does not publish it; this one is what a marketplace for software needs. `[ours]`
//! Invariants: slugs are unique and never change their meaning, for links name them.

/// Where products are that say nothing.
pub const OTHER: &str = "other";

/// A category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Category {
    /// What links and drafts call it: lower-case letters and `-`.
    pub slug: &'static str,
    /// Its name in Chinese.
    pub zh: &'static str,
    /// Its name in English.
    pub en: &'static str,
}

impl Category {
    /// Its name for a reader.
    #[must_use]
    pub const fn name(&self, locale: kernel::Locale) -> &'static str {
        match locale {
            kernel::Locale::ZhCn => self.zh,
            kernel::Locale::En => self.en,
        }
    }
}

const fn category(slug: &'static str, zh: &'static str, en: &'static str) -> Category {
    Category { slug, zh, en }
}

/// A category and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The category.
    pub category: Category,
    /// Its leaves.
    pub leaves: &'static [Category],
}

/// The tree.
pub const TREE: &[Branch] = &[
    Branch {
        category: category("business", "企业应用", "Business applications"),
        leaves: &[
            category("collaboration", "协同办公", "Collaboration"),
            category("crm", "客户管理", "Customer relations"),
            category("finance", "财务税务", "Finance and tax"),
            category("hr", "人力资源", "Human resources"),
            category("erp", "企业资源计划", "Enterprise resource planning"),
            category("ecommerce", "电商零售", "Commerce and retail"),
        ],
    },
    Branch {
        category: category("industrial", "工业软件", "Industrial software"),
        leaves: &[
            category("cad-cae", "设计与仿真", "Design and simulation"),
            category("manufacturing", "生产制造", "Manufacturing"),
            category("supply-chain", "供应链", "Supply chain"),
        ],
    },
    Branch {
        category: category("data-ai", "数据与智能", "Data and AI"),
        leaves: &[
            category("database", "数据库", "Databases"),
            category("analytics", "数据分析", "Analytics"),
            category("ai", "人工智能", "Artificial intelligence"),
        ],
    },
    Branch {
        category: category("security", "安全", "Security"),
        leaves: &[
            category("network-security", "网络与主机安全", "Network and host security"),
            category("data-security", "数据安全", "Data security"),
            category("identity", "身份与访问", "Identity and access"),
        ],
    },
    Branch {
        category: category("developer", "开发工具", "Developer tools"),
        leaves: &[
            category("devops", "开发与运维", "Development and operations"),
            category("middleware", "中间件", "Middleware"),
            category("monitoring", "监控与日志", "Monitoring and logs"),
        ],
    },
    Branch {
        category: category("communication", "通信与媒体", "Communication and media"),
        leaves: &[
            category("messaging", "短信与语音", "Messaging and voice"),
            category("video", "音视频与会议", "Video and meetings"),
            category("website", "网站与营销", "Websites and marketing"),
        ],
    },
    Branch {
        category: category("services", "专业服务", "Professional services"),
        leaves: &[
            category("migration", "迁移与实施", "Migration and rollout"),
            category("compliance", "合规与测评", "Compliance and assessment"),
            category("training", "培训与咨询", "Training and consulting"),
        ],
    },
    Branch { category: category("more", "更多", "More"), leaves: &[category(OTHER, "其他", "Other")] },
];

/// A leaf with the category that it is in.
#[must_use]
pub fn leaf(slug: &str) -> Option<(&'static Branch, &'static Category)> {
    TREE.iter().find_map(|branch| branch.leaves.iter().find(|leaf| leaf.slug == slug).map(|leaf| (branch, leaf)))
}

/// A category of either level: the branch, and the leaf when it is one.
#[must_use]
pub fn find(slug: &str) -> Option<(&'static Branch, Option<&'static Category>)> {
    let branch = TREE.iter().find(|branch| branch.category.slug == slug).map(|branch| (branch, None));
    branch.or_else(|| leaf(slug).map(|(branch, leaf)| (branch, Some(leaf))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_well_formed() {
        let all: Vec<&str> = TREE.iter().flat_map(|branch| branch.leaves.iter().chain([&branch.category])).map(|one| one.slug).collect();
        let unique: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
        assert!(all.iter().all(|slug| slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        assert!(leaf(OTHER).is_some() && leaf("business").is_none() && find("business").is_some());
    }
}
