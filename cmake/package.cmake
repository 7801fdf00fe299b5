# `cpack --preset release` writes build/release/sonde_VERSION_ARCH.deb: the program, its unit, its configuration, documentation
# and what Prometheus and Grafana load. Nothing is started when it is installed.
# cpack takes what is built and builds nothing by itself: tests are no part of the package
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
install(TARGETS sonde RUNTIME DESTINATION bin)
install(FILES deploy/systemd/sonde.service DESTINATION lib/systemd/system)
install(FILES deploy/systemd/sonde.yaml DESTINATION /etc/sonde)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION share/doc/sonde)
install(DIRECTORY docs/ DESTINATION share/doc/sonde FILES_MATCHING PATTERN "*.md")
install(DIRECTORY deploy/grafana/dashboards DESTINATION share/sonde/grafana FILES_MATCHING PATTERN "*.json")
install(DIRECTORY deploy/prometheus DESTINATION share/sonde FILES_MATCHING
    PATTERN "*.yml" PATTERN "*.yaml" PATTERN "*_test.y*ml" EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sonde)
set(CPACK_PACKAGE_VENDOR sonde)
set(CPACK_PACKAGE_CONTACT "sonde <sonde@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "tells what every HTTP endpoint on a machine costs and why it is slow")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/deploy/debian/conffiles;${PROJECT_SOURCE_DIR}/deploy/debian/postinst;${PROJECT_SOURCE_DIR}/deploy/debian/prerm;${PROJECT_SOURCE_DIR}/deploy/debian/postrm")
include(CPack)
