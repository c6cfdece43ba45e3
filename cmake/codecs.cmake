# The modules of Iggy's codecs and transforms, beside the programs: each is one C++ file on one library of Debian's, opened
# when a configuration asks for it (base/module.h). A library that is not there leaves its module out, and headgate says so
# where it is asked for. -DHG_CODECS=OFF leaves all out, ON insists.
set(HG_CODECS AUTO CACHE STRING "build the modules of codecs: AUTO, ON, OFF")

function(hg_codec_module name package header)
  if(HG_CODECS STREQUAL "OFF")
    return()
  endif()
  if(HG_CODECS STREQUAL "ON")
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${package})
  else()
    pkg_check_modules(${name} IMPORTED_TARGET ${package})
  endif()
  if(NOT ${name}_FOUND)
    message(STATUS "no ${package}: headgate-${name}.so is not built")
    return()
  endif()
  set(t headgate-${name})
  add_library(${t} MODULE modules/${name}/${name}.cc)
  set_target_properties(${t} PROPERTIES PREFIX "" CXX_STANDARD 17 CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  set(root ${CMAKE_BINARY_DIR}/inc/${t})
  get_filename_component(folder ${header} DIRECTORY)
  file(MAKE_DIRECTORY ${root}/${folder})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${header} ${root}/${header} SYMBOLIC)
  target_include_directories(${t} PRIVATE ${root})
  target_compile_options(${t} PRIVATE -Wall -Wextra -Wshadow)
  if(HG_WERROR)
    target_compile_options(${t} PRIVATE -Werror)
  endif()
  target_link_libraries(${t} PRIVATE PkgConfig::${name})
  add_dependencies(hg_iggy_codec ${t}) # tests that use the codecs find it built
  install(TARGETS ${t} LIBRARY DESTINATION lib/headgate) # where base/library.c looks
endfunction()

hg_codec_module(regex re2 iggy/codec/regex.h)
hg_codec_module(protobuf protobuf iggy/codec/protobuf_module.h)
hg_codec_module(flatbuffers flatbuffers iggy/codec/flatbuffers_module.h)
