"""The only place with language codes, names and scripts. Codes are FLORES-200's, as SONAR uses them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from clap.errors import UserError


@dataclass(frozen=True)
class Language:
    """One language: FLORES-200 `code`, ISO 639-1 `tag` for HTML and detection, English `name`, own `endonym`, ISO 15924 `script`."""

    code: str
    tag: str
    name: str
    endonym: str
    script: str


LANGUAGES: tuple[Language, ...] = (
    Language("eng_Latn", "en", "English", "English", "Latn"),
    Language("fra_Latn", "fr", "French", "français", "Latn"),
    Language("deu_Latn", "de", "German", "Deutsch", "Latn"),
    Language("spa_Latn", "es", "Spanish", "español", "Latn"),
    Language("nld_Latn", "nl", "Dutch", "Nederlands", "Latn"),
    Language("cat_Latn", "ca", "Catalan", "català", "Latn"),
    Language("jpn_Jpan", "ja", "Japanese", "日本語", "Jpan"),
    Language("zho_Hans", "zh", "Chinese", "中文", "Hans"),
)
CODES: tuple[str, ...] = tuple(language.code for language in LANGUAGES)
ENGLISH = "eng_Latn"
ENHANCED_CODES: tuple[str, ...] = CODES[1:]
"""The seven languages that language enhancement adds (paper, section 3.3)."""

_FLORES_200 = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi apc_Arab arb_Arab ars_Arab ary_Arab
arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva
bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn cym_Latn dan_Latn
deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn fij_Latn fin_Latn fon_Latn
fra_Latn fur_Latn fuv_Latn gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva
hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda
kas_Arab kas_Deva kat_Geor kaz_Cyrl kbp_Latn kea_Latn khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab
knc_Latn kon_Latn kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn luo_Latn
lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Latn mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn
nno_Latn nob_Latn npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab pes_Arab plt_Latn
pol_Latn por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Beng scn_Latn shn_Mymr sin_Sinh slk_Latn
slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn
tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn tso_Latn tuk_Latn tum_Latn
tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr
yor_Latn yue_Hant zho_Hans zho_Hant zsm_Latn zul_Latn
"""
SONAR_CODES: tuple[str, ...] = tuple(_FLORES_200.split())
"""The 202 languages that the released SONAR reads and writes, those of FLORES-200; captions may be in any of them."""

_BY_CODE = {language.code: language for language in LANGUAGES}


def get_language(code: str) -> Language:
    """The language of a FLORES-200 code; raises UserError with the list of known codes."""
    if code not in _BY_CODE:
        raise UserError(f"Unknown language {code!r}; the languages are {', '.join(CODES)}.")
    return _BY_CODE[code]


def require_code(code: str) -> str:
    """The code itself; raises UserError, with the closest codes, when it is none of SONAR_CODES."""
    if code not in SONAR_CODES:
        close = get_close_matches(code, SONAR_CODES, n=3, cutoff=0.8)
        hint = f"did you mean {' or '.join(close)}?" if close else f"the languages are {', '.join(CODES)} and others of FLORES-200."
        raise UserError(f"Unknown language {code!r}; {hint}")
    return code
