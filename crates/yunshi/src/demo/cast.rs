//! Who acts in the demo market, and what is sold there. All of them are invented.

use kernel::AddressId;
use market::catalog::{ChargingMode, EditionContent, PriceContent, PriceUnit, ProductContent, QuantityRule, RefundRule, SkuContent, Texts};
use market::edition::TaxKind;
use sample_seller::Opening;

/// A text in Chinese and in English.
type Both = (&'static str, &'static str);

/// A company and the person who signs in for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Firm {
    /// Name of the account, and what its owner types to sign in.
    pub(super) login: &'static str,
    /// The company.
    pub(super) title: &'static str,
    /// The person.
    pub(super) person: &'static str,
}

/// Who runs the marketplace.
pub(super) const OPERATOR: Firm = Firm { login: "admin", title: "云市运营（演示）有限公司", person: "运营管理员" };

/// A seller with a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shop {
    pub(super) firm: Firm,
    pub(super) bank: &'static str,
    /// How its server opens instances.
    pub(super) opening: Opening,
    pub(super) wares: &'static [Ware],
}

/// What becomes of a product in the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is on sale to the end.
    OnSale,
    /// Its seller hides it half-way.
    Hidden,
    /// It is retired when two thirds are over.
    Retired,
    /// It waits for the operator's review at the end.
    UnderReview,
    /// The operator sent it back.
    Rejected,
    /// It was never submitted.
    Draft,
}

/// A product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ware {
    pub(super) fate: Fate,
    names: Both,
    /// The leaf of the tree of categories.
    category: &'static str,
    overview: Both,
    description: Both,
    highlights: &'static [Both],
    editions: &'static [Edition],
}

#[derive(Clone, Copy, Debug)]
struct Edition {
    names: Both,
    tax: TaxKind,
    refund: RefundRule,
    cells: &'static [Cell],
}

/// A SKU: its name, what is counted, the largest quantity, and its prices in minor units.
#[derive(Clone, Copy, Debug)]
struct Cell {
    names: Both,
    unit: Both,
    max: i64,
    price: Price,
}

#[derive(Clone, Copy, Debug)]
enum Price {
    /// By the month and by the year.
    Period { month: i64, year: i64 },
    /// Once.
    Once(i64),
}

const USERS: Both = ("用户", "users");
const SEATS: Both = ("坐席", "seats");
const HOSTS: Both = ("主机", "hosts");

pub(super) const SHOPS: [Shop; 4] = [
    Shop {
        firm: Firm { login: "yunbiao", title: "深圳云表科技有限公司", person: "王晓云" },
        bank: "招商银行深圳科技园支行",
        opening: Opening::AtOnce,
        wares: &[
            Ware {
                fate: Fate::OnSale,
                names: ("云表格", "Cloud Sheets"),
                category: "collaboration",
                overview: ("团队一起编辑的在线表格，权限到单元格", "Online spreadsheets for teams, with permissions down to the cell"),
                description: (
                    "## 云表格\n\n多人实时协作，历史版本随时找回。\n\n- 兼容 Excel 公式\n- 单元格级权限\n- 开放接口",
                    "## Cloud Sheets\n\nWork together in real time and find every earlier version again.\n\n- Excel formulas\n- permissions for each cell\n- an open API",
                ),
                highlights: &[
                    ("实时协作", "Live collaboration"),
                    ("细粒度权限", "Fine-grained permissions"),
                    ("历史版本", "Every version kept"),
                ],
                editions: &[
                    Edition {
                        names: ("标准", "Standard"),
                        tax: TaxKind::Software,
                        refund: RefundRule::NoReason,
                        cells: &[
                            Cell {
                                names: ("基础版", "Basic"), unit: USERS, max: 500, price: Price::Period { month: 2_900, year: 29_000 }
                            },
                            Cell {
                                names: ("专业版", "Pro"), unit: USERS, max: 2_000, price: Price::Period { month: 5_900, year: 59_000 }
                            },
                        ],
                    },
                    Edition {
                        names: ("实施", "Setup"),
                        tax: TaxKind::Service,
                        refund: RefundRule::None,
                        cells: &[Cell { names: ("上门实施", "On-site setup"), unit: ("", ""), max: 1, price: Price::Once(800_000) }],
                    },
                ],
            },
            Ware {
                fate: Fate::Hidden,
                names: ("云表报表", "Report Studio"),
                category: "analytics",
                overview: ("把表格变成看板", "Turns sheets into dashboards"),
                description: ("拖拽式报表设计，定时发送。", "Drag-and-drop reports, sent on schedule."),
                highlights: &[("拖拽设计", "Drag and drop"), ("定时发送", "Scheduled delivery")],
                editions: &[Edition {
                    names: ("团队", "Team"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("团队版", "Team"),
                        unit: USERS,
                        max: 200,
                        price: Price::Period { month: 3_900, year: 39_900 },
                    }],
                }],
            },
            Ware {
                fate: Fate::OnSale,
                names: ("云文档", "Cloud Docs"),
                category: "collaboration",
                overview: ("像写信一样写文档，像聊天一样改文档", "Documents that a team writes together"),
                description: (
                    "富文本与 Markdown 双模式，评论与修订留痕，可导出 Word 与 PDF。",
                    "Rich text and Markdown, comments and tracked changes, export to Word and PDF.",
                ),
                highlights: &[("修订留痕", "Tracked changes"), ("双模式编辑", "Two ways to write")],
                editions: &[Edition {
                    names: ("标准", "Standard"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("团队版", "Team"), unit: USERS, max: 1000, price: Price::Period { month: 1800, year: 18000 }
                    }],
                }],
            },
            Ware {
                fate: Fate::OnSale,
                names: ("云盘", "Cloud Drive"),
                category: "collaboration",
                overview: ("企业文件统一存放，外链可控", "Company files in one place, with links that end"),
                description: (
                    "断点续传、在线预览、外链有效期与访问密码。",
                    "Resumable uploads, previews, links with an end and a password.",
                ),
                highlights: &[("在线预览", "Previews"), ("外链可控", "Links under control")],
                editions: &[Edition {
                    names: ("空间", "Space"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[
                        Cell {
                            names: ("标准空间", "Standard space"),
                            unit: USERS,
                            max: 2000,
                            price: Price::Period { month: 1200, year: 12000 },
                        },
                        Cell {
                            names: ("大容量空间", "Large space"),
                            unit: USERS,
                            max: 2000,
                            price: Price::Period { month: 2600, year: 26000 },
                        },
                    ],
                }],
            },
            Ware {
                fate: Fate::UnderReview,
                names: ("云表流程", "Flow Builder"),
                category: "collaboration",
                overview: ("表格驱动的审批流程", "Approvals driven by sheets"),
                description: ("在表格里定义审批流程。", "Define approvals inside a sheet."),
                highlights: &[("零代码", "No code")],
                editions: &[Edition {
                    names: ("标准", "Standard"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("标准版", "Standard"),
                        unit: USERS,
                        max: 500,
                        price: Price::Period { month: 1_900, year: 19_000 },
                    }],
                }],
            },
        ],
    },
    Shop {
        firm: Firm { login: "lingxi", title: "杭州灵犀软件有限公司", person: "陈思远" },
        bank: "中国工商银行杭州西湖支行",
        opening: Opening::After(2),
        wares: &[
            Ware {
                fate: Fate::OnSale,
                names: ("灵犀客服", "Lingxi Helpdesk"),
                category: "crm",
                overview: ("网页、电话、微信一处接待", "Web, phone and chat in one helpdesk"),
                description: ("统一工作台、智能分配、质检报表。", "One workbench, smart routing and quality reports."),
                highlights: &[("全渠道接入", "All channels"), ("智能分配", "Smart routing"), ("质检报表", "Quality reports")],
                editions: &[Edition {
                    names: ("客服", "Helpdesk"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[
                        Cell {
                            names: ("标准坐席", "Standard seat"),
                            unit: SEATS,
                            max: 300,
                            price: Price::Period { month: 19_900, year: 199_000 },
                        },
                        Cell {
                            names: ("智能坐席", "Smart seat"),
                            unit: SEATS,
                            max: 300,
                            price: Price::Period { month: 39_900, year: 399_000 },
                        },
                    ],
                }],
            },
            Ware {
                fate: Fate::Retired,
                names: ("灵犀知识库", "Lingxi Knowledge Base"),
                category: "crm",
                overview: ("给客服与客户看的知识库", "A knowledge base for agents and customers"),
                description: ("结构化文章，全文检索。", "Structured articles with full-text search."),
                highlights: &[("全文检索", "Full-text search")],
                editions: &[Edition {
                    names: ("知识库", "Knowledge base"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("企业版", "Business"),
                        unit: USERS,
                        max: 1_000,
                        price: Price::Period { month: 1_500, year: 15_000 },
                    }],
                }],
            },
            Ware {
                fate: Fate::OnSale,
                names: ("灵犀工单", "Lingxi Tickets"),
                category: "crm",
                overview: ("售后问题从受理到关闭一单到底", "Every complaint on one ticket, from the first word to the last"),
                description: (
                    "自定义流程、服务时限提醒、满意度回访。",
                    "Flows of your own, reminders before a promise is broken, satisfaction surveys.",
                ),
                highlights: &[("时限提醒", "Deadlines"), ("满意度回访", "Satisfaction")],
                editions: &[Edition {
                    names: ("工单", "Tickets"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("标准坐席", "Standard seat"),
                        unit: SEATS,
                        max: 500,
                        price: Price::Period { month: 8900, year: 89000 },
                    }],
                }],
            },
            Ware {
                fate: Fate::OnSale,
                names: ("灵犀问卷", "Lingxi Surveys"),
                category: "website",
                overview: ("三分钟做一份问卷，结果自动成图", "A survey in three minutes, its charts by themselves"),
                description: (
                    "二十种题型、逻辑跳转、防刷与匿名。",
                    "Twenty kinds of questions, branching, and answers that stay anonymous.",
                ),
                highlights: &[("逻辑跳转", "Branching"), ("自动成图", "Charts")],
                editions: &[Edition {
                    names: ("问卷", "Surveys"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("团队版", "Team"), unit: USERS, max: 200, price: Price::Period { month: 4900, year: 49000 }
                    }],
                }],
            },
            Ware {
                fate: Fate::Rejected,
                names: ("灵犀外呼", "Lingxi Dialler"),
                category: "messaging",
                overview: ("自动外呼", "Automatic calls"),
                description: ("批量外呼。", "Calls in bulk."),
                highlights: &[("批量外呼", "Bulk calls")],
                editions: &[Edition {
                    names: ("外呼", "Dialler"),
                    tax: TaxKind::Service,
                    refund: RefundRule::None,
                    cells: &[Cell {
                        names: ("线路", "Line"),
                        unit: ("线", "lines"),
                        max: 100,
                        price: Price::Period { month: 29_900, year: 299_000 },
                    }],
                }],
            },
        ],
    },
    Shop {
        firm: Firm { login: "panshi", title: "北京磐石安全技术有限公司", person: "刘振国" },
        bank: "中国建设银行北京中关村支行",
        opening: Opening::AtOnce,
        wares: &[
            Ware {
                fate: Fate::OnSale,
                names: ("磐石漏洞扫描", "Panshi Scanner"),
                category: "network-security",
                overview: ("每日自动扫描主机与网站漏洞", "Scans hosts and sites for vulnerabilities every day"),
                description: (
                    "覆盖主流操作系统与中间件，报告可导出。",
                    "Covers the usual systems and middleware; reports can be exported.",
                ),
                highlights: &[("每日扫描", "Daily scans"), ("修复建议", "What to do about it")],
                editions: &[
                    Edition {
                        names: ("扫描", "Scanner"),
                        tax: TaxKind::Software,
                        refund: RefundRule::NoReason,
                        cells: &[Cell {
                            names: ("主机版", "Hosts"),
                            unit: HOSTS,
                            max: 5_000,
                            price: Price::Period { month: 4_500, year: 45_000 },
                        }],
                    },
                    Edition {
                        names: ("服务", "Services"),
                        tax: TaxKind::Service,
                        refund: RefundRule::None,
                        cells: &[Cell {
                            names: ("渗透测试", "Penetration test"), unit: ("", ""), max: 1, price: Price::Once(2_980_000)
                        }],
                    },
                ],
            },
            Ware {
                fate: Fate::OnSale,
                names: ("磐石堡垒机", "Panshi Bastion"),
                category: "identity",
                overview: ("运维登录统一入口，操作全程录像", "One gate for administrators, and every session recorded"),
                description: (
                    "支持 SSH、RDP 与数据库协议，双因素登录，命令拦截。",
                    "SSH, RDP and database protocols, a second factor, commands that are stopped.",
                ),
                highlights: &[("操作录像", "Recorded sessions"), ("命令拦截", "Commands stopped")],
                editions: &[Edition {
                    names: ("堡垒机", "Bastion"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("资产授权", "Assets"),
                        unit: HOSTS,
                        max: 2000,
                        price: Price::Period { month: 6800, year: 68000 },
                    }],
                }],
            },
            Ware {
                fate: Fate::OnSale,
                names: ("磐石网站防护", "Panshi Web Shield"),
                category: "network-security",
                overview: ("拦截注入、爬虫与恶意请求", "Stops injections, scrapers and worse"),
                description: (
                    "接入只需改一条 DNS 记录，规则每日更新。",
                    "Changing one DNS record is enough; its rules are renewed every day.",
                ),
                highlights: &[("规则日更", "New rules daily"), ("一键接入", "One record")],
                editions: &[Edition {
                    names: ("防护", "Shield"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("站点版", "Sites"),
                        unit: ("站点", "sites"),
                        max: 200,
                        price: Price::Period { month: 29900, year: 299000 },
                    }],
                }],
            },
            Ware {
                fate: Fate::Draft,
                names: ("磐石日志审计", "Panshi Audit Log"),
                category: "monitoring",
                overview: ("集中留存与审计日志", "Keeps and audits logs in one place"),
                description: ("留存六个月，满足等保要求。", "Keeps logs for six months."),
                highlights: &[],
                editions: &[],
            },
        ],
    },
    Shop {
        firm: Firm { login: "yunzhou", title: "上海云舟数据技术有限公司", person: "顾一帆" },
        bank: "交通银行上海张江支行",
        // A cluster of its own for each customer takes about half an hour.
        opening: Opening::After(9),
        wares: &[
            Ware {
                fate: Fate::OnSale,
                names: ("云舟数仓", "Yunzhou Warehouse"),
                category: "database",
                overview: ("独享集群的分析型数据库", "An analytical database on a cluster of one's own"),
                description: (
                    "列式存储、冷热分层，兼容常用查询语法，半小时内就绪。",
                    "Columns, hot and cold storage, the usual query language; ready within half an hour.",
                ),
                highlights: &[("独享集群", "A cluster of one's own"), ("冷热分层", "Hot and cold storage")],
                editions: &[Edition {
                    names: ("数仓", "Warehouse"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("计算节点", "Compute nodes"),
                        unit: ("节点", "nodes"),
                        max: 50,
                        price: Price::Period { month: 129000, year: 1290000 },
                    }],
                }],
            },
            Ware {
                fate: Fate::OnSale,
                names: ("云舟备份", "Yunzhou Backup"),
                category: "data-security",
                overview: ("数据库与文件的异地备份", "Backups of databases and files, elsewhere"),
                description: (
                    "每日增量、每周全量，恢复演练报告自动生成。",
                    "Increments every day, everything every week, and reports of restores that were tried.",
                ),
                highlights: &[("恢复演练", "Restores that were tried"), ("异地存放", "Kept elsewhere")],
                editions: &[Edition {
                    names: ("备份", "Backup"),
                    tax: TaxKind::Software,
                    refund: RefundRule::NoReason,
                    cells: &[Cell {
                        names: ("容量包", "Space"),
                        unit: ("TB", "TB"),
                        max: 200,
                        price: Price::Period { month: 19900, year: 199000 },
                    }],
                }],
            },
        ],
    },
];

/// Who would like to sell: one waits for the operator, one was told no.
pub(super) const APPLICANTS: [(Firm, Option<&str>); 2] = [
    (Firm { login: "shudao", title: "成都蜀道物流软件有限公司", person: "赵蓉" }, None),
    (Firm { login: "kuaikuai", title: "快快网络工作室", person: "孙快" }, Some("营业执照与公司名称不一致，请核对后重新提交。")),
];

pub(super) const BUYERS: [Firm; 10] = [
    Firm { login: "hongda", title: "宏达精密制造股份有限公司", person: "李明" },
    Firm { login: "qingfeng", title: "清风餐饮连锁有限公司", person: "周倩" },
    Firm { login: "beichen", title: "北辰律师事务所", person: "吴越" },
    Firm { login: "haitang", title: "海棠服饰电商有限公司", person: "郑海棠" },
    Firm { login: "longjiang", title: "龙江农业科技有限公司", person: "冯建国" },
    Firm { login: "zhixing", title: "知行教育咨询有限公司", person: "何静" },
    Firm { login: "tianqi", title: "天启医疗器械有限公司", person: "马超" },
    Firm { login: "yuanyang", title: "远洋国际货运代理有限公司", person: "林洋" },
    Firm { login: "mingde", title: "明德会计师事务所", person: "徐明" },
    Firm { login: "xingchen", title: "星辰游戏工作室", person: "沈星" },
];

fn both((zh, en): Both) -> Texts {
    Texts::new(zh, en)
}

impl Ware {
    /// The product as its seller writes it.
    pub(super) fn content(&self, address: AddressId, support: &str) -> ProductContent {
        ProductContent {
            names: both(self.names),
            overview: both(self.overview),
            description: both(self.description),
            highlights: self.highlights.iter().copied().map(both).collect(),
            category: self.category.to_owned(),
            support_email: support.to_owned(),
            support_phone: "400-800-1234".to_owned(),
            editions: self.editions.iter().map(|edition| edition.content(address)).collect(),
        }
    }
}

impl Edition {
    fn content(&self, address: AddressId) -> EditionContent {
        let is_once = self.cells.iter().any(|cell| matches!(cell.price, Price::Once(_)));
        EditionContent {
            id: None,
            names: both(self.names),
            charging_mode: if is_once { ChargingMode::OneTime } else { ChargingMode::Period },
            tax_kind: self.tax,
            refund_rule: self.refund,
            address_id: Some(address),
            skus: self.cells.iter().map(Cell::content).collect(),
        }
    }
}

impl Cell {
    fn content(&self) -> SkuContent {
        let price = |unit, amount_minor| PriceContent { unit, amount_minor };
        SkuContent {
            id: None,
            names: both(self.names),
            quantity: QuantityRule { min: 1, max: self.max, step: 1, unit: both(self.unit) },
            prices: match self.price {
                Price::Period { month, year } => vec![price(PriceUnit::Month, month), price(PriceUnit::Year, year)],
                Price::Once(amount) => vec![price(PriceUnit::Once, amount)],
            },
            change: None,
        }
    }
}
