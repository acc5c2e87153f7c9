//! Result codes of the production interface (spec: protocol §8.1).

use std::fmt;

/// What a seller's server said about a call. `resultCode` on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResultCode {
    /// `000000`
    Success,
    /// `000001`
    AuthenticationFailed,
    /// `000002`
    InvalidParameter,
    /// `000003`
    InstanceUnknown,
    /// `000004`; one published page spells it `0000004`, both are read (spec: protocol §10.5).
    InProgress,
    /// `000005`
    InternalError,
    /// `000100`
    NoResource,
    /// `000101`
    MobileEmptyOrTaken,
    /// `000102`
    EmailEmptyOrTaken,
    /// `000103`
    AlreadyPurchased,
    /// `000104`
    ProductServiceError,
    /// `000105`
    BenefitAlreadyHeld,
    /// `000106`
    SoldOut,
    /// `000107`
    MailDomainTaken,
    /// A code that no table knows, as it was sent.
    Other(String),
}

impl ResultCode {
    /// Every code of the published table, for pages that list them.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::AuthenticationFailed,
        Self::InvalidParameter,
        Self::InstanceUnknown,
        Self::InProgress,
        Self::InternalError,
        Self::NoResource,
        Self::MobileEmptyOrTaken,
        Self::EmailEmptyOrTaken,
        Self::AlreadyPurchased,
        Self::ProductServiceError,
        Self::BenefitAlreadyHeld,
        Self::SoldOut,
        Self::MailDomainTaken,
    ];

    /// Reads `resultCode`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "0000004" {
            return Self::InProgress;
        }
        Self::ALL.into_iter().find(|code| code.as_str() == text).unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    /// The code as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Success => "000000",
            Self::AuthenticationFailed => "000001",
            Self::InvalidParameter => "000002",
            Self::InstanceUnknown => "000003",
            Self::InProgress => "000004",
            Self::InternalError => "000005",
            Self::NoResource => "000100",
            Self::MobileEmptyOrTaken => "000101",
            Self::EmailEmptyOrTaken => "000102",
            Self::AlreadyPurchased => "000103",
            Self::ProductServiceError => "000104",
            Self::BenefitAlreadyHeld => "000105",
            Self::SoldOut => "000106",
            Self::MailDomainTaken => "000107",
            Self::Other(text) => text,
        }
    }

    /// What the code means, in English.
    #[must_use]
    pub fn meaning_en(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::AuthenticationFailed => "the seller's server did not accept the signature",
            Self::InvalidParameter => "a parameter is missing or invalid",
            Self::InstanceUnknown => "the instance id is unknown",
            Self::InProgress => "accepted, still in progress",
            Self::InternalError => "another internal error",
            Self::NoResource => "no resource is left to allocate",
            Self::MobileEmptyOrTaken => "the mobile number is empty or already in use",
            Self::EmailEmptyOrTaken => "the e-mail address is empty or already in use",
            Self::AlreadyPurchased => "the buyer has already purchased this",
            Self::ProductServiceError => "the product's own service failed",
            Self::BenefitAlreadyHeld => "the account already holds the benefit",
            Self::SoldOut => "sold out",
            Self::MailDomainTaken => "the mail domain is already in use",
            Self::Other(_) => "a code that is not in the published table",
        }
    }

    /// What the code means, in Chinese.
    #[must_use]
    pub fn meaning_zh(&self) -> &'static str {
        match self {
            Self::Success => "成功",
            Self::AuthenticationFailed => "鉴权失败",
            Self::InvalidParameter => "请求参数不合法",
            Self::InstanceUnknown => "实例ID不存在",
            Self::InProgress => "请求处理中",
            Self::InternalError => "其它内部错误",
            Self::NoResource => "无可用资源分配",
            Self::MobileEmptyOrTaken => "手机号为空或已被使用",
            Self::EmailEmptyOrTaken => "邮箱为空或已被使用",
            Self::AlreadyPurchased => "买家已购买过该商品",
            Self::ProductServiceError => "商品服务内部错误",
            Self::BenefitAlreadyHeld => "账号已拥有该权益",
            Self::SoldOut => "商品已售罄",
            Self::MailDomainTaken => "邮箱域名已被使用",
            Self::Other(_) => "未公布的结果码",
        }
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_way_out_and_back() {
        for code in ResultCode::ALL {
            assert_eq!(ResultCode::parse(code.as_str()), code);
        }
        assert_eq!(ResultCode::parse("0000004"), ResultCode::InProgress);
        assert_eq!(ResultCode::parse("999999"), ResultCode::Other("999999".to_owned()));
    }
}
