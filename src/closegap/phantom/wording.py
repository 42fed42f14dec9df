"""How radiologists put it: phrases, synonyms and negations.

In templates `{size}`, `{side}`, `{zone}` and `{place}` ("left lower zone", "right lung") stand for what is stated; a
leading "+" marks a plural.
"""

from collections.abc import Mapping
from types import MappingProxyType

Phrases = tuple[str, ...]

PRESENT: Mapping[str, Phrases] = MappingProxyType(
    {  # noun phrases; the first is the plainest
        "pneumothorax": (
            "{a} [{size} ][{side} ]pneumothorax",
            "{a} [{size} ][{side}-sided ]pneumothorax with a visible pleural edge",
            "{a} [{size} ]pneumothorax[ on the {side}]",
        ),
        "free_air": (
            "free air under the diaphragm",
            "subdiaphragmatic free gas, in keeping with pneumoperitoneum",
            "pneumoperitoneum",
        ),
        "mass": (
            "{a} [{size} ]mass[ in the {place}]",
            "{a} [{size} ]lobulated mass lesion[ projected over the {place}]",
            "{a} [{size} ]mass-like opacity[ in the {place}]",
        ),
        "pleural_effusion": (
            "{a} [{size} ][{side} ]pleural effusion",
            "{a} [{size} ][{side}-sided ]effusion with a meniscus",
            "{a} [{size} ]collection of pleural fluid[ on the {side}]",
        ),
        "pleural_effusion bilateral": (
            "+[{size} ]bilateral pleural effusions",
            "+[{size} ]pleural effusions on both sides",
        ),
        "consolidation": (
            "consolidation[ in the {place}]",
            "airspace opacification[ in the {place}] with air bronchograms",
            "patchy airspace shadowing[ in the {place}]",
            "{a} [{side}-sided ]pneumonic infiltrate",
        ),
        "edema": (
            "[{size} ]interstitial pulmonary edema",
            "[{size} ]pulmonary edema with perihilar haze and septal lines",
            "[{size} ]pulmonary venous congestion with Kerley B lines",
        ),
        "nodule": (
            "{a} [{size} ]nodule[ in the {place}]",
            "{a} [{size} ]rounded nodular opacity[ in the {place}]",
            "{a} [{size} ]well-defined pulmonary nodule[ projected over the {place}]",
        ),
        "mediastinal_widening": ("widening of the mediastinum", "{a} widened superior mediastinum"),
        "rib_fracture": (
            "{a} displaced rib fracture[ in the {place}]",
            "{a} [{side}-sided ]rib fracture with a step in the cortex",
            "{a} fractured rib[ on the {side}]",
        ),
        "atelectasis": (
            "linear atelectasis[ in the {place}]",
            "plate-like atelectasis[ in the {place}]",
            "+bands of subsegmental collapse[ in the {place}]",
        ),
        "cardiomegaly": (
            "[{size} ]cardiomegaly",
            "[{size} ]enlargement of the cardiac silhouette",
            "{a} [{size}ly ]enlarged heart",
        ),
        "fibrosis": (
            "+reticular interstitial opacities[ predominantly in the {zone}s]",
            "{a} coarse reticular pattern[ with {zone} predominance], suggesting fibrosis",
            "fibrotic change[ most marked in the {zone}s]",
        ),
        "hilar_enlargement": (
            "enlargement of the [{side} ]hilum",
            "{a} bulky [{side} ]hilum",
            "prominence of the [{side} ]hilar shadow",
        ),
        "hilar_enlargement bilateral": ("bilateral hilar enlargement", "+prominent hila on both sides"),
        "hyperinflation": (
            "+hyperinflated lungs with flattened diaphragms",
            "hyperinflation in keeping with obstructive airways disease",
            "+hyperexpanded lungs",
        ),
        "hiatal_hernia": (
            "{a} hiatal hernia",
            "{a} retrocardiac air-fluid level consistent with a hiatus hernia",
        ),
        "scoliosis": (
            "[{size} ]scoliosis[ convex to the {side}]",
            "[{size} ]scoliotic curvature of the thoracic spine[, convex {side}]",
        ),
        "endotracheal_tube": ("{a} endotracheal tube with its tip above the carina", "{a} tracheal tube in situ"),
        "nasogastric_tube": ("{a} nasogastric tube passing below the diaphragm", "{a} feeding tube in the stomach"),
        "central_line": (
            "{a} [{side} ]central venous catheter with its tip in the superior vena cava",
            "{a} central line[ inserted from the {side}]",
        ),
        "pacemaker": ("{a} [{side}-sided ]dual-chamber pacemaker", "{a} [{side} ]pectoral pacemaker with two leads"),
        "chest_tube": ("{a} [{side}-sided ]chest drain", "{a} [{side} ]intercostal chest tube"),
    }
)

ABSENT: Mapping[str, Phrases] = MappingProxyType(
    {  # nouns that follow "no"; the first is the plainest
        "pneumothorax": ("pneumothorax",),
        "free_air": ("free subdiaphragmatic gas", "pneumoperitoneum"),
        "mass": ("mass", "mass lesion"),
        "pleural_effusion": ("pleural effusion", "effusion"),
        "consolidation": ("consolidation", "focal airspace opacity"),
        "edema": ("pulmonary edema", "pulmonary venous congestion"),
        "nodule": ("nodule", "pulmonary nodule"),
        "mediastinal_widening": ("mediastinal widening",),
        "rib_fracture": ("rib fracture", "displaced rib fracture"),
        "atelectasis": ("atelectasis",),
        "cardiomegaly": ("cardiomegaly", "cardiac enlargement"),
        "fibrosis": ("fibrotic change",),
        "hilar_enlargement": ("hilar enlargement",),
        "hyperinflation": ("hyperinflation",),
        "hiatal_hernia": ("hiatal hernia",),
        "scoliosis": ("scoliosis",),
    }
)

HEALTHY: Mapping[str, Phrases] = MappingProxyType(
    {  # whole sentences that say the same as "no ..."
        "pleural_effusion": ("The costophrenic angles are clear", "The pleural spaces are free of fluid"),
        "cardiomegaly": ("Heart size is normal", "The cardiac silhouette is not enlarged", "Normal heart size"),
        "mediastinal_widening": ("The superior mediastinum is not widened",),
        "hilar_enlargement": ("The hila are normal",),
        "edema": ("The pulmonary vessels are not congested",),
        "rib_fracture": ("The ribs are intact",),
        "scoliosis": ("The spine is straight",),
        "hyperinflation": ("The lungs are not hyperexpanded",),
    }
)

NORMAL: Phrases = (
    "No acute cardiopulmonary abnormality",
    "No significant abnormality",
    "No acute disease in the chest",
    "Unremarkable study",
)

SIZES: Mapping[str, Phrases] = MappingProxyType(
    {
        "small": ("small", "minor"),
        "moderate": ("moderate",),
        "large": ("large", "sizeable"),
        "mild": ("mild", "slight"),
        "marked": ("marked", "gross"),
        "severe": ("severe", "extensive"),
    }
)

ZONES: Mapping[str, Phrases] = MappingProxyType(
    {
        "upper": ("upper zone", "upper lung zone"),
        "mid": ("mid zone", "middle zone"),
        "lower": ("lower zone", "basal zone"),
    }
)

VIEWS_NAMED: Mapping[str, Phrases] = MappingProxyType(
    {
        "pa": ("PA chest radiograph", "Frontal PA view of the chest", "Erect PA chest film"),
        "ap": ("Portable AP chest radiograph", "Single mobile AP view of the chest", "AP supine chest film"),
        "lateral": ("Lateral chest radiograph", "Lateral view of the chest"),
    }
)

QUOTES: Mapping[str, Phrases] = MappingProxyType(
    {
        "fever": ("fever of {value} degrees", "pyrexia of {value}"),
        "inflammation": ("CRP {value}", "raised CRP of {value}"),
        "hypoxia": ("oxygen saturation of {value}%", "hypoxia, SpO2 {value}%"),
    }
)

QUESTIONS: Phrases = (
    "shortness of breath",
    "cough",
    "chest pain",
    "routine check",
    "follow-up",
    "before an operation",
    "malaise",
    "",
)

ADVICE: Mapping[str, Phrases] = MappingProxyType(
    {
        "mass": ("CT of the chest is recommended", "Suspicious for malignancy; staging CT advised"),
        "nodule": ("Follow-up CT is suggested", "Comparison with earlier films would help"),
        "pneumothorax": ("The referring team has been informed",),
        "free_air": ("Urgent surgical review advised", "The referring team has been informed"),
        "consolidation": ("Appearances suggest pneumonia; a film after treatment is advised",),
        "edema": ("Clinical correlation for heart failure is advised",),
        "mediastinal_widening": ("CT angiography is advised to exclude an aortic cause",),
    }
)
