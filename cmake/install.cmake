# SPDX-License-Identifier: Apache-2.0
# cmake --install: the programs, libspk (static and shared), the public headers, spk.pc and a CMake package `spk` with
# the targets spk::spk (shared) and spk::spk_static.
include(CMakePackageConfigHelpers)
file(GLOB SPK_PUBLIC_HEADERS CONFIGURE_DEPENDS include/spk/*.h)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/spk)

# Shared library: users see the headers and nothing else. Static: they must link what it needs.
target_include_directories(spk_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(spk_shared PROPERTIES EXPORT_NAME spk)
install(TARGETS spk_shared EXPORT spkTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS spk_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(program IN ITEMS spk spk_golden)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
install(FILES ${SPK_PUBLIC_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/spk)
# spk recipe finds them beside the program: PREFIX/bin/spk, PREFIX/share/spk/recipes.
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/spk FILES_MATCHING PATTERN "*.yaml")
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT spkTargets NAMESPACE spk:: DESTINATION ${package_dir})

configure_package_config_file(cmake/spkConfig.cmake.in ${PROJECT_BINARY_DIR}/spkConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/spkConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/spkConfig.cmake ${PROJECT_BINARY_DIR}/spkConfigVersion.cmake
  DESTINATION ${package_dir})
configure_file(cmake/spk.pc.in ${PROJECT_BINARY_DIR}/spk.pc.configured @ONLY)
# The prefix is known when it is installed (cmake --install --prefix), not when it is configured.
install(CODE "set(SPK_PC_IN \"${PROJECT_BINARY_DIR}/spk.pc.configured\")
set(SPK_PC_OUT \"${PROJECT_BINARY_DIR}/spk.pc\")
file(READ \"\${SPK_PC_IN}\" text)
get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
string(REPLACE \"%PREFIX%\" \"\${prefix}\" text \"\${text}\")
file(WRITE \"\${SPK_PC_OUT}\" \"\${text}\")")
install(FILES ${PROJECT_BINARY_DIR}/spk.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
