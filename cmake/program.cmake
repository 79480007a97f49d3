# SPDX-License-Identifier: Apache-2.0
# The programs, in the build folder's root: `spk` (src/cli) and `spk_golden` (src/golden), linked to the rooms
# themselves; and libspk, static and shared, which holds the same objects and shows only what SPK_API marks.
file(GLOB cli_sources CONFIGURE_DEPENDS src/cli/*.c)
file(GLOB golden_sources CONFIGURE_DEPENDS src/golden/*.c)
if(EXISTS ${PROJECT_SOURCE_DIR}/src/cli/main.c)
  add_executable(spk ${cli_sources})
  target_link_libraries(spk PRIVATE ${SPK_TOP} Threads::Threads m)
  set_target_properties(spk PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endif()
if(golden_sources)
  add_executable(spk_golden ${golden_sources})
  target_link_libraries(spk_golden PRIVATE ${SPK_TOP} Threads::Threads m)
  set_target_properties(spk_golden PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endif()

set(SPK_SYSTEM_LIBS PkgConfig::SNDFILE PkgConfig::SOXR PkgConfig::YAML PkgConfig::JANSSON PkgConfig::MINIZIP
  PkgConfig::KISSFFT PkgConfig::LAPACK ZLIB::ZLIB DNNL::dnnl OpenMP::OpenMP_C Threads::Threads ${CMAKE_DL_LIBS} m)
foreach(kind IN ITEMS static shared)
  string(TOUPPER ${kind} upper)
  add_library(spk_${kind} ${upper} ${objects})
  set_target_properties(spk_${kind} PROPERTIES OUTPUT_NAME spk LINKER_LANGUAGE C
    ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR} LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  target_link_libraries(spk_${kind} PRIVATE spk_flags ${SPK_SYSTEM_LIBS})
endforeach()
set_target_properties(spk_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
