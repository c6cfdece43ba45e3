/* datagen_words.h: the word lists of datagen's text strategies. Included by datagen_text.c only. */
#ifndef HG_CONNECTORS_TRANSPORT_DATAGEN_WORDS_H
#define HG_CONNECTORS_TRANSPORT_DATAGEN_WORDS_H

/* clang-format off */
static const char *const first_names[] = {
    "James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth", "William",
    "Barbara", "Richard", "Susan", "Joseph", "Jessica", "Thomas", "Sarah", "Charles", "Karen", "Christopher",
    "Lisa", "Daniel", "Nancy", "Matthew", "Betty", "Anthony", "Margaret", "Mark", "Sandra", "Donald", "Ashley",
    "Steven", "Kimberly", "Paul", "Emily", "Andrew", "Donna", "Joshua", "Michelle", "Kenneth", "Carol", "Kevin",
    "Amanda", "Brian", "Dorothy", "George", "Melissa", "Timothy", "Deborah", "Ronald", "Stephanie", "Edward",
    "Rebecca", "Jason", "Sharon", "Jeffrey", "Laura", "Ryan", "Cynthia", "Jacob", "Kathleen", "Gary", "Amy",
    "Nicholas", "Angela", "Eric", "Shirley", "Jonathan", "Anna", "Stephen", "Brenda", "Larry", "Pamela", "Justin",
    "Emma", "Scott", "Nicole", "Brandon", "Helen", "Benjamin", "Samantha", "Samuel", "Katherine", "Gregory",
    "Christine", "Alexander", "Debra", "Frank", "Rachel", "Patrick", "Carolyn", "Raymond", "Janet", "Jack",
    "Catherine", "Dennis", "Maria", "Jerry", "Heather", "Tyler", "Diane", "Aaron", "Ruth", "Jose", "Julie", "Adam",
    "Olivia", "Nathan", "Joyce", "Henry", "Virginia", "Douglas", "Victoria", "Zachary", "Kelly", "Peter", "Lauren",
    "Kyle", "Christina", "Ethan", "Joan", "Walter", "Evelyn", "Noah", "Judith", "Jeremy", "Megan", "Christian",
    "Andrea", "Keith", "Cheryl", "Roger", "Hannah", "Terry", "Jacqueline", "Gerald", "Martha", "Harold", "Gloria",
    "Sean", "Teresa", "Austin", "Ann", "Carl", "Sara", "Arthur", "Madison", "Lawrence", "Frances", "Dylan",
    "Kathryn", "Jesse", "Janice", "Jordan", "Jean", "Bryan", "Abigail", "Billy", "Alice", "Joe", "Julia", "Bruce",
    "Judy", "Gabriel", "Sophia", "Logan", "Grace", "Albert", "Denise", "Willie", "Amber", "Alan", "Doris", "Juan",
    "Marilyn", "Wayne", "Danielle", "Elijah", "Beverly", "Randy", "Isabella", "Roy", "Theresa", "Vincent", "Diana",
    "Ralph", "Natalie", "Eugene", "Brittany", "Russell", "Charlotte", "Bobby", "Marie", "Mason", "Kayla", "Philip",
    "Alexis", "Louis", "Lori",
};
static const char *const last_names[] = {
    "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez",
    "Hernandez", "Lopez", "Gonzalez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee",
    "Perez", "Thompson", "White", "Harris", "Sanchez", "Clark", "Ramirez", "Lewis", "Robinson", "Walker", "Young",
    "Allen", "King", "Wright", "Scott", "Torres", "Nguyen", "Hill", "Flores", "Green", "Adams", "Nelson", "Baker",
    "Hall", "Rivera", "Campbell", "Mitchell", "Carter", "Roberts", "Gomez", "Phillips", "Evans", "Turner", "Diaz",
    "Parker", "Cruz", "Edwards", "Collins", "Reyes", "Stewart", "Morris", "Morales", "Murphy", "Cook", "Rogers",
    "Gutierrez", "Ortiz", "Morgan", "Cooper", "Peterson", "Bailey", "Reed", "Kelly", "Howard", "Ramos", "Kim",
    "Cox", "Ward", "Richardson", "Watson", "Brooks", "Chavez", "Wood", "James", "Bennett", "Gray", "Mendoza",
    "Ruiz", "Hughes", "Price", "Alvarez", "Castillo", "Sanders", "Patel", "Myers", "Long", "Ross", "Foster",
    "Jimenez", "Powell", "Jenkins", "Perry", "Russell", "Sullivan", "Bell", "Coleman", "Butler", "Henderson",
    "Barnes", "Fisher", "Vasquez", "Simmons", "Romero", "Jordan", "Patterson", "Alexander", "Hamilton", "Graham",
    "Reynolds", "Griffin", "Wallace", "Moreno", "West", "Cole", "Hayes", "Bryant", "Herrera", "Gibson", "Ellis",
    "Tran", "Medina", "Aguilar", "Stevens", "Murray", "Ford", "Castro", "Marshall", "Owens", "Harrison",
    "Fernandez", "McDonald", "Woods", "Washington", "Kennedy", "Wells", "Vargas", "Henry", "Chen", "Freeman",
    "Webb", "Tucker", "Guzman", "Burns", "Crawford", "Olson", "Simpson", "Porter", "Hunter", "Gordon", "Mendez",
    "Silva", "Shaw", "Snyder", "Mason", "Dixon", "Munoz", "Hunt", "Hicks", "Holmes", "Palmer", "Wagner", "Black",
    "Robertson", "Boyd", "Rose", "Stone", "Salazar", "Fox", "Warren", "Mills", "Meyer", "Rice", "Schmidt", "Garza",
    "Daniels", "Ferguson", "Nichols", "Stephens", "Soto", "Weaver", "Ryan", "Gardner", "Payne", "Grant", "Dunn",
    "Kelley", "Spencer", "Hawkins",
};
static const char *const words[] = {
    "about", "above", "across", "after", "again", "air", "all", "almost", "along", "also", "always", "amber",
    "among", "anchor", "and", "angle", "another", "apple", "area", "arrow", "aside", "autumn", "away", "back",
    "balance", "bank", "basin", "bay", "beach", "beam", "bear", "bell", "below", "bench", "berry", "between",
    "bird", "blade", "blue", "board", "boat", "book", "border", "bottle", "bow", "branch", "brass", "bread",
    "bridge", "bright", "broad", "brook", "brown", "brush", "bundle", "cabin", "cable", "calm", "canal", "candle",
    "canyon", "cape", "carbon", "card", "cart", "castle", "cedar", "center", "chain", "chalk", "channel", "chart",
    "circle", "clay", "clear", "cliff", "climb", "clock", "cloth", "cloud", "coast", "cobalt", "cold", "color",
    "copper", "coral", "corner", "cotton", "count", "creek", "crest", "cross", "crystal", "current", "curve",
    "dark", "dawn", "day", "deep", "delta", "desert", "dew", "distance", "dock", "door", "dream", "drift", "drum",
    "dune", "dusk", "dust", "eagle", "early", "earth", "east", "echo", "edge", "elm", "ember", "even", "every",
    "falcon", "fall", "far", "feather", "fern", "field", "fig", "fire", "first", "fish", "flame", "flat", "flint",
    "float", "flow", "flower", "fog", "foot", "forest", "fork", "form", "fountain", "free", "fresh", "frost",
    "fruit", "garden", "gate", "gather", "gentle", "glass", "glen", "glow", "gold", "grain", "grass", "gravel",
    "gray", "great", "green", "grove", "gulf", "harbor", "harvest", "hazel", "heart", "heat", "hedge", "height",
    "hill", "hollow", "home", "honey", "horizon", "horn", "house", "ice", "inlet", "iron", "island", "ivory", "ivy",
    "jade", "journey", "juniper", "keep", "key", "lake", "lamp", "land", "lane", "large", "lark", "late", "leaf",
    "ledge", "level", "light", "lily", "lime", "line", "linen", "lock", "long", "loom", "low", "lunar", "maple",
    "marble", "marsh", "meadow", "measure", "mill", "mint", "mirror", "mist", "moon", "morning", "moss", "mountain",
    "narrow", "near", "nest", "night", "north", "oak", "ocean", "olive", "onyx", "open", "orchard",
};
static const char *const cities[] = {
    "Ashford", "Avonlea", "Bakersville", "Barton", "Baytown", "Beacon", "Bedford", "Bellevue", "Benton", "Berkeley",
    "Birchwood", "Blackburn", "Blakely", "Boulder", "Bradford", "Brampton", "Brenton", "Briarwood", "Bridgeport",
    "Brighton", "Bristol", "Brookfield", "Burlington", "Calder", "Cambridge", "Camden", "Canton", "Carlisle",
    "Carrollton", "Cedarville", "Chadwick", "Charlton", "Chatham", "Chelsea", "Cheshire", "Chester", "Clayton",
    "Clearwater", "Clifton", "Clinton", "Colby", "Concord", "Corinth", "Cornwall", "Coventry", "Cranford",
    "Crestview", "Crawley", "Dalton", "Danbury", "Danville", "Darby", "Darlington", "Dayton", "Denton", "Derby",
    "Dorset", "Dover", "Dublin", "Dunmore", "Durham", "Easton", "Eastport", "Edgewood", "Elkton", "Ellsworth",
    "Elmhurst", "Enfield", "Epsom", "Essex", "Everett", "Fairfax", "Fairview", "Falmouth", "Farmington", "Fenton",
    "Fillmore", "Fletcher", "Florence", "Foxborough", "Franklin", "Fremont", "Fulton", "Galway", "Garfield",
    "Gilmore", "Glendale", "Glenwood", "Grafton", "Grantham", "Greenfield", "Greenville", "Griffith", "Groton",
    "Hadley", "Halifax", "Hamden", "Hampton", "Hanover", "Harlow", "Harrow", "Hartford", "Hastings", "Haverhill",
    "Hawthorne", "Henley", "Hillsboro", "Holden", "Holland", "Hopewell", "Hudson", "Huntley", "Ipswich", "Irvine",
    "Jamestown", "Jasper", "Kendall", "Kent", "Kingston", "Kirkwood", "Lakeside", "Lancaster", "Langley", "Laurel",
    "Lebanon", "Leeds", "Lexington", "Lincoln", "Linden", "Lisbon", "Livingston", "Logan", "Lowell", "Ludlow",
    "Lyndon", "Madison", "Malden", "Malvern", "Manchester", "Mansfield", "Marion", "Marlow", "Medford", "Melrose",
    "Meridian", "Middleton", "Milford", "Milton", "Monroe", "Montrose", "Moorland", "Morley", "Newbury", "Newport",
    "Newton", "Norfolk", "Northfield", "Norton", "Norwich", "Oakdale", "Oakland", "Ogden", "Olney", "Orchard",
    "Oxford", "Palmyra", "Paxton", "Penrith", "Pittsfield", "Plainfield", "Plymouth", "Portland", "Preston",
    "Princeton", "Quincy", "Radley", "Ramsey", "Reading", "Redmond", "Richmond", "Ridgeway", "Rochester",
    "Rockport", "Salem", "Salisbury", "Sanford", "Selby", "Seymour", "Sheffield", "Shelby", "Sherwood", "Somerset",
    "Southport", "Stafford", "Stanford", "Sterling", "Stockton", "Stratford", "Sutton", "Tilton", "Trenton", "Troy",
    "Upton", "Vernon", "Wakefield", "Walton", "Warwick", "Waverly", "Wellington", "Weston", "Whitby", "Windham",
    "Windsor", "Winslow", "Woburn", "Wolcott", "Woodstock", "Yarmouth", "York",
};
static const char *const industries[] = {
    "Accounting", "Agriculture", "Airlines", "Architecture", "Automotive", "Banking", "Biotechnology",
    "Broadcasting", "Chemicals", "Construction", "Consulting", "Design", "Education", "Electronics", "Energy",
    "Engineering", "Entertainment", "Fisheries", "Food Production", "Forestry", "Furniture", "Gaming", "Healthcare",
    "Hospitality", "Insurance", "Internet", "Logistics", "Machinery", "Manufacturing", "Marketing", "Mining",
    "Packaging", "Pharmaceuticals", "Photography", "Printing", "Publishing", "Railways", "Real Estate", "Research",
    "Retail", "Security", "Shipbuilding", "Software", "Sports", "Telecommunications", "Textiles", "Tourism",
    "Transportation", "Utilities", "Warehousing",
};
static const char *const professions[] = {
    "accountant", "actor", "architect", "baker", "barber", "biologist", "bookkeeper", "bricklayer", "butcher",
    "carpenter", "chemist", "cleaner", "cook", "dentist", "designer", "doctor", "driver", "electrician", "engineer",
    "farmer", "firefighter", "fisher", "florist", "gardener", "geologist", "hairdresser", "journalist", "judge",
    "lawyer", "lecturer", "librarian", "machinist", "mechanic", "miner", "musician", "nurse", "optician", "painter",
    "pharmacist", "photographer", "physicist", "pilot", "plumber", "police officer", "potter", "programmer",
    "receptionist", "sailor", "scientist", "secretary", "shoemaker", "surveyor", "tailor", "teacher", "technician",
    "translator", "veterinarian", "waiter", "welder", "writer",
};
static const char *const fields[] = {
    "Accounting", "Administration", "Advertising", "Analysis", "Construction", "Design", "Education", "Engineering",
    "Facilities", "Finance", "Government", "Healthcare", "Hospitality", "Legal", "Logistics", "Manufacturing",
    "Marketing", "Mining", "Operations", "Planning", "Production", "Quality", "Real Estate", "Research", "Retail",
    "Sales", "Security", "Support", "Technology", "Training",
};
static const char *const positions[] = {
    "Administrator", "Advisor", "Agent", "Analyst", "Architect", "Assistant", "Associate", "Consultant",
    "Coordinator", "Designer", "Developer", "Director", "Engineer", "Executive", "Facilitator", "Inspector",
    "Liaison", "Manager", "Officer", "Orchestrator", "Planner", "Producer", "Representative", "Specialist",
    "Strategist", "Supervisor", "Technician",
};
static const char *const seniorities[] = {
    "Junior", "Associate", "Senior", "Lead", "Principal", "Chief", "Regional", "Central", "Global", "District",
    "Corporate", "Internal", "National", "International",
};
static const char *const buzzwords[] = {
    "adaptive", "advanced", "automated", "balanced", "business-focused", "centralized", "cloned", "compatible",
    "configurable", "cross-group", "customizable", "decentralized", "digitized", "distributed", "diverse",
    "down-sized", "enhanced", "ergonomic", "exclusive", "expanded", "extended", "focused", "front-line",
    "fully-configurable", "fundamental", "future-proofed", "grass-roots", "horizontal", "implemented", "innovative",
    "integrated", "intuitive", "inverse", "managed", "mandatory", "monitored", "multi-layered", "networked", "open",
    "operative", "optimized", "organic", "persistent", "phased", "proactive", "programmable", "progressive",
    "public-key", "quality-focused", "reactive", "realigned", "reduced", "robust", "seamless", "secured",
    "sharable", "stand-alone", "streamlined", "synchronised", "synergistic", "team-oriented", "total", "universal",
    "upgradable", "user-centric", "versatile", "virtual", "visionary",
};
static const char *const buzz_middles[] = {
    "24-hour", "analyzing", "asymmetric", "background", "bandwidth-monitored", "bi-directional", "bottom-line",
    "client-driven", "cohesive", "composite", "context-sensitive", "dedicated", "demand-driven", "didactic",
    "directional", "discrete", "dynamic", "empowering", "encompassing", "executive", "explicit", "fault-tolerant",
    "global", "grid-enabled", "heuristic", "high-level", "holistic", "homogeneous", "hybrid", "impactful",
    "incremental", "interactive", "intermediate", "leading-edge", "local", "logistical", "maximized", "methodical",
    "mobile", "modular", "motivating", "multi-state", "national", "needs-based", "neutral", "object-oriented",
    "optimal", "radical", "real-time", "reciprocal", "regional", "responsive", "scalable", "secondary", "stable",
    "static", "systematic", "systemic", "tangible", "tertiary", "transitional", "uniform", "user-facing",
    "value-added", "well-modulated", "zero-defect",
};
static const char *const buzz_tails[] = {
    "ability", "access", "adapter", "algorithm", "alliance", "analyzer", "application", "approach", "architecture",
    "archive", "array", "attitude", "benchmark", "capability", "capacity", "challenge", "circuit", "collaboration",
    "complexity", "concept", "conglomeration", "contingency", "core", "database", "definition", "emulation",
    "encoding", "encryption", "extranet", "firmware", "flexibility", "forecast", "frame", "framework", "function",
    "functionality", "groupware", "hardware", "help-desk", "hierarchy", "hub", "implementation", "initiative",
    "installation", "instruction set", "interface", "knowledge base", "leverage", "local area network", "matrix",
    "methodology", "middleware", "migration", "model", "moderator", "monitoring", "neural-net", "open architecture",
    "orchestration", "paradigm", "parallelism", "policy", "portal", "process improvement", "product",
    "productivity", "project", "projection", "protocol", "service-desk", "software", "solution", "standardization",
    "strategy", "structure", "success", "support", "synergy", "system engine", "task-force", "throughput",
    "time-frame", "toolset", "utilisation", "website", "workforce",
};
static const char *const bs_verbs[] = {
    "aggregate", "architect", "benchmark", "brand", "cultivate", "deliver", "deploy", "disintermediate", "drive",
    "empower", "enable", "engage", "engineer", "enhance", "envision", "evolve", "expedite", "exploit", "extend",
    "facilitate", "generate", "grow", "harness", "implement", "incentivize", "incubate", "innovate", "integrate",
    "iterate", "leverage", "maximize", "mesh", "monetize", "morph", "optimize", "orchestrate", "productize",
    "recontextualize", "redefine", "reintermediate", "reinvent", "repurpose", "revolutionize", "scale", "seize",
    "strategize", "streamline", "syndicate", "synergize", "synthesize", "target", "transform", "transition",
    "unleash", "utilize", "visualize", "whiteboard",
};
static const char *const bs_adjs[] = {
    "back-end", "best-of-breed", "bleeding-edge", "bricks-and-clicks", "clicks-and-mortar", "collaborative",
    "compelling", "cross-media", "cross-platform", "customized", "cutting-edge", "distributed", "dot-com",
    "dynamic", "e-business", "efficient", "end-to-end", "enterprise", "extensible", "frictionless", "front-end",
    "global", "granular", "holistic", "impactful", "innovative", "integrated", "interactive", "intuitive", "killer",
    "leading-edge", "magnetic", "mission-critical", "next-generation", "one-to-one", "open-source",
    "out-of-the-box", "plug-and-play", "proactive", "real-time", "revolutionary", "rich", "robust", "scalable",
    "seamless", "sexy", "sticky", "strategic", "synergistic", "transparent", "turn-key", "ubiquitous",
    "user-centric", "value-added", "vertical", "viral", "virtual", "visionary", "web-enabled", "wireless",
    "world-class",
};
static const char *const bs_nouns[] = {
    "action-items", "applications", "architectures", "bandwidth", "channels", "communities", "content",
    "convergence", "deliverables", "e-business", "e-commerce", "e-markets", "e-services", "e-tailers",
    "experiences", "eyeballs", "functionalities", "infomediaries", "infrastructures", "initiatives", "interfaces",
    "markets", "methodologies", "metrics", "mindshare", "models", "networks", "niches", "paradigms", "partnerships",
    "platforms", "portals", "relationships", "ROI", "schemas", "solutions", "supply-chains", "synergies", "systems",
    "technologies", "users", "vortals", "web services", "web-readiness",
};
static const char *const titles[] = {
    "Mr.", "Mrs.", "Ms.", "Miss", "Dr.",
};
static const char *const suffixes[] = {
    "Jr.", "Sr.", "I", "II", "III", "IV", "V", "MD", "DDS", "PhD", "DVM",
};
static const char *const domains[] = {
    "com", "net", "org", "biz", "info", "io",
};
static const char *const company_suffixes[] = {
    "Inc", "and Sons", "LLC", "Group",
};
static const char *const city_prefixes[] = {
    "North", "East", "West", "South", "New", "Lake", "Port", "Upper", "Lower",
};
static const char *const city_suffixes[] = {
    "town", "ton", "land", "ville", "berg", "burgh", "borough", "bury", "view", "port", "mouth", "stad", "furt",
    "chester", "haven", "side", "shire",
};
static const char *const street_suffixes[] = {
    "Alley", "Avenue", "Bend", "Boulevard", "Branch", "Bridge", "Brook", "Canyon", "Circle", "Corner", "Court",
    "Cove", "Creek", "Crescent", "Crossing", "Drive", "Estate", "Field", "Ford", "Forest", "Garden", "Gateway",
    "Glen", "Green", "Grove", "Harbor", "Heights", "Highway", "Hill", "Hollow", "Island", "Junction", "Lake",
    "Landing", "Lane", "Lodge", "Loop", "Manor", "Meadow", "Mews", "Mill", "Orchard", "Park", "Parkway", "Pass",
    "Path", "Pike", "Place", "Plaza", "Point", "Port", "Prairie", "Ridge", "Road", "Route", "Row", "Square",
    "Station", "Street", "Summit", "Terrace", "Trail", "Turnpike", "Union", "Valley", "View", "Village", "Vista",
    "Walk", "Way", "Well",
};
static const char *const states[] = {
    "Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware", "Florida",
    "Georgia", "Hawaii", "Idaho", "Illinois", "Indiana", "Iowa", "Kansas", "Kentucky", "Louisiana", "Maine",
    "Maryland", "Massachusetts", "Michigan", "Minnesota", "Mississippi", "Missouri", "Montana", "Nebraska",
    "Nevada", "New Hampshire", "New Jersey", "New Mexico", "New York", "North Carolina", "North Dakota", "Ohio",
    "Oklahoma", "Oregon", "Pennsylvania", "Rhode Island", "South Carolina", "South Dakota", "Tennessee", "Texas",
    "Utah", "Vermont", "Virginia", "Washington", "West Virginia", "Wisconsin", "Wyoming",
};
static const char *const state_abbrs[] = {
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK",
    "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY",
};
static const char *const countries[] = {
    "Albania", "Algeria", "Argentina", "Armenia", "Australia", "Austria", "Azerbaijan", "Bahrain", "Bangladesh",
    "Belgium", "Bolivia", "Botswana", "Brazil", "Bulgaria", "Cambodia", "Cameroon", "Canada", "Chile", "China",
    "Colombia", "Costa Rica", "Croatia", "Cuba", "Cyprus", "Czechia", "Denmark", "Ecuador", "Egypt", "Estonia",
    "Ethiopia", "Finland", "France", "Georgia", "Germany", "Ghana", "Greece", "Guatemala", "Honduras", "Hungary",
    "Iceland", "India", "Indonesia", "Iran", "Iraq", "Ireland", "Israel", "Italy", "Jamaica", "Japan", "Jordan",
    "Kazakhstan", "Kenya", "Kuwait", "Latvia", "Lebanon", "Lithuania", "Luxembourg", "Malaysia", "Malta", "Mexico",
    "Mongolia", "Morocco", "Nepal", "Netherlands", "New Zealand", "Nigeria", "Norway", "Oman", "Pakistan", "Panama",
    "Paraguay", "Peru", "Philippines", "Poland", "Portugal", "Qatar", "Romania", "Rwanda", "Senegal", "Serbia",
    "Singapore", "Slovakia", "Slovenia", "South Africa", "South Korea", "Spain", "Sri Lanka", "Sweden",
    "Switzerland", "Tanzania", "Thailand", "Tunisia", "Turkey", "Uganda", "Ukraine", "United Arab Emirates",
    "United Kingdom", "United States", "Uruguay", "Uzbekistan", "Venezuela", "Vietnam", "Zambia", "Zimbabwe",
};
static const char *const country_codes[] = {
    "AL", "DZ", "AR", "AM", "AU", "AT", "AZ", "BH", "BD", "BE", "BO", "BW", "BR", "BG", "KH", "CM", "CA", "CL",
    "CN", "CO", "CR", "HR", "CU", "CY", "CZ", "DK", "EC", "EG", "EE", "ET", "FI", "FR", "GE", "DE", "GH", "GR",
    "GT", "HN", "HU", "IS", "IN", "ID", "IR", "IQ", "IE", "IL", "IT", "JM", "JP", "JO", "KZ", "KE", "KW", "LV",
    "LB", "LT", "LU", "MY", "MT", "MX", "MN", "MA", "NP", "NL", "NZ", "NG", "NO", "OM", "PK", "PA", "PY", "PE",
    "PH", "PL", "PT", "QA", "RO", "RW", "SN", "RS", "SG", "SK", "SI", "ZA", "KR", "ES", "LK", "SE", "CH", "TZ",
    "TH", "TN", "TR", "UG", "UA", "AE", "GB", "US", "UY", "UZ", "VE", "VN", "ZM", "ZW",
};
static const char *const time_zones[] = {
    "Africa/Cairo", "Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi", "America/Bogota", "America/Chicago",
    "America/Denver", "America/Halifax", "America/Lima", "America/Los_Angeles", "America/Mexico_City",
    "America/New_York", "America/Phoenix", "America/Sao_Paulo", "Asia/Dhaka", "Asia/Dubai", "Asia/Hong_Kong",
    "Asia/Jakarta", "Asia/Karachi", "Asia/Kolkata", "Asia/Manila", "Asia/Seoul", "Asia/Shanghai", "Asia/Singapore",
    "Asia/Tashkent", "Asia/Tehran", "Asia/Tokyo", "Atlantic/Azores", "Australia/Adelaide", "Australia/Brisbane",
    "Australia/Sydney", "Europe/Athens", "Europe/Berlin", "Europe/Dublin", "Europe/Helsinki", "Europe/Istanbul",
    "Europe/Kyiv", "Europe/Lisbon", "Europe/London", "Europe/Madrid", "Europe/Paris", "Europe/Rome",
    "Europe/Stockholm", "Europe/Vienna", "Europe/Warsaw", "Pacific/Auckland", "Pacific/Fiji", "Pacific/Honolulu",
};
static const char *const currency_codes[] = {
    "AED", "ARS", "AUD", "BDT", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP",
    "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KES", "KRW", "KWD", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD",
    "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "UYU", "VND",
    "ZAR",
};
static const char *const currency_names[] = {
    "Argentine Peso", "Australian Dollar", "Brazilian Real", "British Pound", "Canadian Dollar", "Chilean Peso",
    "Chinese Yuan", "Colombian Peso", "Czech Koruna", "Danish Krone", "Egyptian Pound", "Euro", "Hong Kong Dollar",
    "Hungarian Forint", "Icelandic Krona", "Indian Rupee", "Indonesian Rupiah", "Israeli Shekel", "Japanese Yen",
    "Kenyan Shilling", "Kuwaiti Dinar", "Malaysian Ringgit", "Mexican Peso", "Moroccan Dirham",
    "New Zealand Dollar", "Nigerian Naira", "Norwegian Krone", "Pakistani Rupee", "Peruvian Sol", "Philippine Peso",
    "Polish Zloty", "Romanian Leu", "Saudi Riyal", "Singapore Dollar", "South African Rand", "South Korean Won",
    "Swedish Krona", "Swiss Franc", "Thai Baht", "Turkish Lira", "Ukrainian Hryvnia", "United States Dollar",
    "Vietnamese Dong",
};
static const char *const currency_symbols[] = {
    "$", "€", "£", "¥", "₩", "₹", "₺", "₽", "₴", "₫", "฿", "kr", "zł", "Kč", "Ft", "R$", "CHF",
};
static const char *const extensions[] = {
    "csv", "json", "parquet", "avro", "txt", "log", "xml", "html", "css", "js", "pdf", "png", "jpg", "gif", "svg",
    "doc", "xls", "zip", "tar", "gz", "mp3", "mp4", "sql", "yaml",
};
static const char *const unit_types[] = {
    "Apt.", "Suite", "Unit", "Floor", "Room",
};
static const char *const user_agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "curl/8.8.0",
};
static const char *const rfc_codes[] = {
    "100", "101", "200", "201", "202", "203", "204", "205", "206", "300", "301", "302", "303", "304", "305", "307",
    "400", "401", "402", "403", "404", "405", "406", "407", "408", "409", "410", "411", "412", "413", "414", "415",
    "416", "417", "426", "500", "501", "502", "503", "504", "505",
};
/* clang-format on */

#endif
