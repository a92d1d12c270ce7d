# Puts the report's page together and writes it as C++:
#   cmake -D PAGE=<this folder> -D LIBRARY=<dygraphs' folder> -D LICENSE=<its licence> -D OUTPUT=<.cpp> -P embed.cmake
# The marker @data@ stays: it is where the report puts what it shows.
set(scripts dom color lines heatmap summary learning precision cost models configuration main)

file(READ ${PAGE}/page.html page)
file(READ ${PAGE}/style.css style)
file(READ ${LIBRARY}/dygraph.min.css library_style)
file(READ ${LIBRARY}/dygraph.min.js library)
file(READ ${LICENSE} library_license)
set(script "")
foreach(name ${scripts})
  file(READ ${PAGE}/${name}.js text)
  string(APPEND script "\n// ---- ${name} ----\n" "${text}")
endforeach()
# Maps of sources are not there.
string(REGEX REPLACE "/[*/][#@] ?sourceMappingURL=[^\n*]*([*]/)?" "" library "${library}")
string(REGEX REPLACE "/[*/][#@] ?sourceMappingURL=[^\n*]*([*]/)?" "" library_style "${library_style}")
foreach(part style library_style script library_license library)
  string(REPLACE "@${part}@" "${${part}}" page "${page}")
endforeach()

string(FIND "${page}" "@data@" at)
string(SUBSTRING "${page}" 0 ${at} before)
math(EXPR at "${at} + 6")
string(SUBSTRING "${page}" ${at} -1 after)
file(WRITE ${OUTPUT} "#include \"runtime/report/page/embedded.h\"

namespace marvin {
namespace {

const char kBefore[] = R\"marvin_page(${before})marvin_page\";
const char kAfter[] = R\"marvin_page(${after})marvin_page\";

}  // namespace

EmbeddedPage embedded_page() { return {{kBefore, sizeof kBefore - 1}, {kAfter, sizeof kAfter - 1}}; }

}  // namespace marvin
")
